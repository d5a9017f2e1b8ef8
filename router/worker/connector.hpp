// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/worker/loop.hpp"

#include <chrono>

#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/local_shared_ptr.hpp>

namespace router {

/// How a connect ended. Exactly one of the two is called, once.
class ConnectorEvents {
 public:
  virtual void on_connect(boost::asio::ip::tcp::socket socket) = 0;
  virtual void on_connect_failed(Errc reason) = 0;  ///< connect_failed or connect_timeout

 protected:
  ~ConnectorEvents() = default;
};

/// Opens one TCP connection to an endpoint. Destroying it before its event gives the attempt up.
///
/// The socket gets what finds a dead peer: see `keep_alive_and_time_out`.
class Connector {
 public:
  /// `events` must outlive the connector. No event comes from inside the constructor.
  Connector(Loop& loop,
            const boost::asio::ip::tcp::endpoint& endpoint,
            std::chrono::nanoseconds timeout,
            ConnectorEvents& events);
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  ~Connector();

 private:
  void on_connected(error_code error);
  void on_timeout();

  Loop& loop_;
  boost::asio::ip::tcp::socket socket_;
  ConnectorEvents& events_;
  Timer timeout_{on_timer<&Connector::on_timeout>, this};
  /// Shared with the connect in flight, which may complete after the connector is gone: then it
  /// holds null.
  boost::local_shared_ptr<Connector*> self_;
};

}  // namespace router
