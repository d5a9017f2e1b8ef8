// SPDX-License-Identifier: Apache-2.0
#include "router/worker/keep_alive.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace router {
namespace {

constexpr int kIdleSeconds = 10;
constexpr int kIntervalSeconds = 3;

}  // namespace

void keep_alive(Socket& socket, std::chrono::milliseconds timeout) {
  static_cast<void>(socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1));
  static_cast<void>(socket.set_option(IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds));
  static_cast<void>(socket.set_option(IPPROTO_TCP, TCP_KEEPINTVL, kIntervalSeconds));
  static_cast<void>(
      socket.set_option(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(timeout.count())));
}

}  // namespace router
