// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/worker/loop.hpp"
#include "router/worker/socket.hpp"

#include <chrono>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// How a connect ended. Exactly one of the two is called, once.
class ConnectorEvents {
 public:
  virtual void on_connect(Socket socket) = 0;
  /// connect_failed or connect_timeout; queue_timeout if all the time no socket was to be had,
  /// which is not the endpoint's fault.
  virtual void on_connect_failed(Errc reason) = 0;

 protected:
  ~ConnectorEvents() = default;
};

/// Opens one TCP connection to an endpoint. Destroying it before its event gives the attempt up.
///
/// While there are no file descriptors it goes on trying. What finds a dead peer (`keep_alive`) is
/// for its user to set: how long a peer may be full depends on the protocol.
class Connector final : private Pollable, private Flushable {
 public:
  /// `events` must outlive the connector. No event comes from inside the constructor.
  Connector(Loop& loop,
            boost::asio::ip::tcp::endpoint endpoint,
            std::chrono::nanoseconds timeout,
            ConnectorEvents& events);
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  ~Connector();

  /// When the timeout is over. It begins anew once there is a socket, if there was none at first.
  [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }

 private:
  void connect();
  void on_ready(bool readable, bool writable) override;
  void flush() override { fail(Errc::connect_failed); }
  void on_timeout();
  void fail(Errc reason);

  Loop& loop_;
  boost::asio::ip::tcp::endpoint endpoint_;
  std::chrono::nanoseconds timeout_;
  TimePoint deadline_;
  Socket socket_;
  ConnectorEvents& events_;
  bool is_short_ = false;  ///< no socket was to be had yet
  Timer pause_timer_{on_timer<&Connector::connect>, this};
  Timer timeout_timer_{on_timer<&Connector::on_timeout>, this};
};

}  // namespace router
