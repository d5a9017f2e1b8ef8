// SPDX-License-Identifier: Apache-2.0
#include "router/worker/keep_alive.hpp"

#include "router/errc.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace router {
namespace {

using boost::asio::ip::tcp;

void set_tcp_option(tcp::socket& socket, int option, int value) {
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
}

void probe(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::keep_alive{true}, ignored);
  set_tcp_option(socket, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set_tcp_option(socket, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
}

}  // namespace

void keep_alive(tcp::socket& socket) {
  probe(socket);
  set_tcp_option(socket, TCP_KEEPCNT, kKeepAliveProbes);
}

void keep_alive_and_time_out(tcp::socket& socket) {
  constexpr int kUserTimeoutMs =
      1000 * (kKeepAliveIdleSeconds + kKeepAliveIntervalSeconds * kKeepAliveProbes);
  probe(socket);
  // It takes the place of TCP_KEEPCNT too: probes that nobody answers end with it. Source: tcp(7).
  set_tcp_option(socket, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

}  // namespace router
