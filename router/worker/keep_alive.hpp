// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// A peer that has vanished without a word is noticed on an idle connection after 10 s + 3 x 3 s
/// (product.md, HTTP/2 to pods). Clients' connections get the same: one that waits for a stream's
/// next message would otherwise be kept for ever.
inline constexpr int kKeepAliveIdleSeconds = 10;
inline constexpr int kKeepAliveIntervalSeconds = 3;
inline constexpr int kKeepAliveProbes = 3;

/// Turns TCP keep-alive on. HTTP/2 PINGs would do it too, but grpc servers punish them
/// (`too_many_pings`, gRFC A8). A kernel without these options still serves.
void keep_alive(boost::asio::ip::tcp::socket& socket);

/// Also gives a peer up that has not acknowledged what was sent to it for as long.
void keep_alive_and_time_out(boost::asio::ip::tcp::socket& socket);

}  // namespace router
