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
/// The socket gets TCP keep-alive and TCP_USER_TIMEOUT, which find a dead peer without HTTP/2
/// PINGs: grpc servers punish those (`too_many_pings`, gRFC A8).
class Connector {
 public:
  static constexpr int kKeepAliveIdleSeconds = 10;
  static constexpr int kKeepAliveIntervalSeconds = 3;
  static constexpr int kKeepAliveProbes = 3;
  /// Bytes unacknowledged for as long as keep-alive takes to give up: 10 s + 3 x 3 s.
  static constexpr std::chrono::milliseconds kUserTimeout{19'000};

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
