// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/socket.hpp"

#include <chrono>

namespace router {

/// Pods that have vanished without a word are noticed after 10 s + 3 x 3 s. For HTTP/2 alone, whose
/// peers read their sockets whatever their applications do.
inline constexpr std::chrono::seconds kPodTimeout{19};

/// Gives the peer up, the connection failing with ETIMEDOUT, once it has for `timeout` answered no
/// probe, acknowledged nothing of what was sent, or had no room for it, though it says so. Probes
/// begin after 10 s of silence and come every 3 s. HTTP/2 PINGs would do it too, but grpc servers
/// punish them (`too_many_pings`, gRFC A8). A kernel without these options still serves. Source:
/// tcp(7), TCP_USER_TIMEOUT, which takes the place of TCP_KEEPCNT.
void keep_alive(Socket& socket, std::chrono::milliseconds timeout);

}  // namespace router
