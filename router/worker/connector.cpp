// SPDX-License-Identifier: Apache-2.0
#include "router/worker/connector.hpp"

#include "router/worker/keep_alive.hpp"
#include "router/worker/shortage.hpp"

#include <utility>

#include <boost/smart_ptr/make_local_shared.hpp>

namespace router {

using boost::asio::ip::tcp;

Connector::Connector(Loop& loop,
                     const tcp::endpoint& endpoint,
                     std::chrono::nanoseconds timeout,
                     ConnectorEvents& events)
    : loop_{loop},
      endpoint_{endpoint},
      timeout_{timeout},
      deadline_{loop.now() + timeout},
      socket_{loop.io()},
      events_{events},
      self_{boost::make_local_shared<Connector*>(this)} {
  loop_.arm(timeout_timer_, deadline_);
  connect();
}

void Connector::connect() {
  error_code opened;  // errors other than a shortage come again from the connect
  socket_.open(endpoint_.protocol(), opened);
  if (is_shortage(opened)) {
    if (!std::exchange(is_short_, true)) {
      loop_.metrics().hit(telemetry::Limit::file_descriptors);
    }
    loop_.arm(pause_timer_, loop_.now() + kShortagePause);
    return;
  }
  if (std::exchange(is_short_, false)) {
    deadline_ = loop_.now() + timeout_;
    loop_.arm(timeout_timer_, deadline_);
  }
  socket_.async_connect(endpoint_, [self = self_](error_code error) {
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
  timeout_timer_.cancel();
  *self_ = nullptr;
  if (error) {
    events_.on_connect_failed(Errc::connect_failed);
    return;
  }
  keep_alive(socket_, kPodTimeout);
  events_.on_connect(std::move(socket_));
}

void Connector::on_timeout() {
  *self_ = nullptr;
  pause_timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  events_.on_connect_failed(is_short_ ? Errc::queue_timeout : Errc::connect_timeout);
}

}  // namespace router
