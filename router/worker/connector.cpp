// SPDX-License-Identifier: Apache-2.0
#include "router/worker/connector.hpp"

#include "router/worker/shortage.hpp"

#include <utility>

#include <boost/asio/error.hpp>

namespace router {

using boost::asio::ip::tcp;

Connector::Connector(Loop& loop,
                     tcp::endpoint endpoint,
                     std::chrono::nanoseconds timeout,
                     ConnectorEvents& events)
    : loop_{loop},
      endpoint_{std::move(endpoint)},
      timeout_{timeout},
      deadline_{loop.now() + timeout},
      events_{events} {
  loop_.arm(timeout_timer_, deadline_);
  connect();
}

void Connector::connect() {
  auto opened = Socket::open(endpoint_.protocol());
  if (opened.has_error() && is_shortage(opened.error())) {
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
  if (opened.has_error()) {
    loop_.flush_later(*this);
    return;
  }
  socket_ = std::move(*opened);
  const error_code error = socket_.connect(endpoint_);
  if (error && error != boost::asio::error::in_progress) {
    loop_.flush_later(*this);
    return;
  }
  loop_.poller().watch(socket_.number(), *this, false, true);
}

Connector::~Connector() {
  loop_.poller().forget(*this);
  loop_.forget(*this);
}

void Connector::on_ready(bool /*readable*/, bool /*writable*/) {
  if (socket_.error()) {
    fail(Errc::connect_failed);
    return;
  }
  timeout_timer_.cancel();
  loop_.poller().watch(socket_.number(), *this, false, false);
  events_.on_connect(std::move(socket_));
}

void Connector::on_timeout() {
  fail(is_short_ ? Errc::queue_timeout : Errc::connect_timeout);
}

void Connector::fail(Errc reason) {
  timeout_timer_.cancel();
  pause_timer_.cancel();
  loop_.poller().forget(*this);
  loop_.forget(*this);
  socket_.close();
  events_.on_connect_failed(reason);
}

}  // namespace router
