// SPDX-License-Identifier: Apache-2.0
#include "router/worker/connector.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

#include <boost/smart_ptr/make_local_shared.hpp>

namespace router {

using boost::asio::ip::tcp;

namespace {

void set_tcp_option(tcp::socket& socket, int option, int value) {
  // Failure is ignored: a kernel without the option still serves, and only notices a dead peer
  // later.
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
}

void set_liveness_options(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::keep_alive{true}, ignored);
  set_tcp_option(socket, TCP_KEEPIDLE, Connector::kKeepAliveIdleSeconds);
  set_tcp_option(socket, TCP_KEEPINTVL, Connector::kKeepAliveIntervalSeconds);
  set_tcp_option(socket, TCP_KEEPCNT, Connector::kKeepAliveProbes);
  set_tcp_option(socket, TCP_USER_TIMEOUT, static_cast<int>(Connector::kUserTimeout.count()));
}

}  // namespace

Connector::Connector(Loop& loop,
                     const tcp::endpoint& endpoint,
                     std::chrono::nanoseconds timeout,
                     ConnectorEvents& events)
    : loop_{loop},
      socket_{loop.io()},
      events_{events},
      self_{boost::make_local_shared<Connector*>(this)} {
  loop_.arm(timeout_, loop_.now() + timeout);
  socket_.async_connect(endpoint, [self = self_](error_code error) {
    if (*self != nullptr) {
      (*self)->loop_.begin_turn();
      (*self)->on_connected(error);
    }
  });
}

Connector::~Connector() {
  *self_ = nullptr;
}

void Connector::on_connected(error_code error) {
  timeout_.cancel();
  *self_ = nullptr;
  if (error) {
    events_.on_connect_failed(Errc::connect_failed);
    return;
  }
  set_liveness_options(socket_);
  events_.on_connect(std::move(socket_));
}

void Connector::on_timeout() {
  *self_ = nullptr;
  error_code ignored;
  socket_.close(ignored);
  events_.on_connect_failed(Errc::connect_timeout);
}

}  // namespace router
