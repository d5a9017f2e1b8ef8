// SPDX-License-Identifier: Apache-2.0
#include "router/worker/connector.hpp"

#include "router/worker/keep_alive.hpp"

#include <utility>

#include <boost/smart_ptr/make_local_shared.hpp>

namespace router {

using boost::asio::ip::tcp;

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
  keep_alive_and_time_out(socket_);
  events_.on_connect(std::move(socket_));
}

void Connector::on_timeout() {
  *self_ = nullptr;
  error_code ignored;
  socket_.close(ignored);
  events_.on_connect_failed(Errc::connect_timeout);
}

}  // namespace router
