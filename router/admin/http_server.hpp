// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/admin/connections.hpp"

#include <chrono>
#include <functional>

#include <httplib.h>

namespace router::admin {

/// cpp-httplib's server, made to hold against clients that connect and do nothing, send half a
/// request, or do not read their answer: however many they are, the next client is answered at
/// once.
///
/// One thread a connection, made when it is needed, and one request each; where `Connections` finds
/// too many, or too much waiting to be written, or where the system gives no thread, the oldest is
/// shut down. So `kThreads` bounds the threads and 32 MiB the answers.
class HttpServer final : public httplib::Server {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr Connections::Limits kLimits{};
  /// Some more than connections, so that there are threads to shut down the oldest one with.
  static constexpr std::size_t kThreads = kLimits.connections + 8;
  static constexpr std::chrono::seconds kHeadTimeout{
      5};  ///< from accepting to the request's last byte
  static constexpr std::chrono::seconds kWriteTimeout{
      10};  ///< for one write of which nothing is taken
  static constexpr std::size_t kMaxRequestBytes = std::size_t{64} * 1024;

  /// `now` is called from any thread.
  explicit HttpServer(std::function<TimePoint()> now);

  /// Binds and listens without SO_REUSEPORT, so that a second process on the same port is told so.
  /// Returns the port, or -1 with `errno`.
  [[nodiscard]] int bind(const std::string& host, int port);

  /// Ends `listen_after_bind` and all connections.
  void stop_all();

  [[nodiscard]] const Connections& connections() const noexcept { return connections_; }

 private:
  bool process_and_close_socket(socket_t socket) override;

  std::function<TimePoint()> now_;
  Connections connections_{kLimits};
};

}  // namespace router::admin
