// SPDX-License-Identifier: Apache-2.0
#include "router/worker/keep_alive.hpp"

#include "router/errc.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace router {
namespace {

using boost::asio::ip::tcp;

constexpr int kIdleSeconds = 10;
constexpr int kIntervalSeconds = 3;

void set_tcp_option(tcp::socket& socket, int option, int value) {
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
}

}  // namespace

void keep_alive(tcp::socket& socket, std::chrono::milliseconds timeout) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::keep_alive{true}, ignored);
  set_tcp_option(socket, TCP_KEEPIDLE, kIdleSeconds);
  set_tcp_option(socket, TCP_KEEPINTVL, kIntervalSeconds);
  set_tcp_option(socket, TCP_USER_TIMEOUT, static_cast<int>(timeout.count()));
}

}  // namespace router
