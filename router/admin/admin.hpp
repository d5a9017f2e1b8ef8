// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/config.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace router {
struct EndpointView;
}
namespace router::control {
struct CertificateStatus;
struct ControlStatus;
struct EndpointFilter;
struct EndpointSince;
}  // namespace router::control
namespace router::telemetry {
class CoreMetrics;
}

namespace router::admin {

/// Whom the admin endpoint tells of. The functions are called from its own threads, several at
/// once, until `stop`.
struct Subject {
  std::vector<const telemetry::CoreMetrics*> cores;
  std::function<control::ControlStatus()> control;
  std::function<std::vector<EndpointView>()>
      endpoints;  ///< of all cores, one after the other; may take a second
  /// Those that requests may go to, whether any worker has looked at them or not.
  std::function<void(const control::EndpointFilter& filter,
                     const std::function<void(const control::EndpointSince&)>& visit)>
      show_endpoints;
  /// Nothing without a TLS listener.
  std::function<std::optional<control::CertificateStatus>()> certificate{};
  std::function<bool()> is_draining;
  std::function<std::chrono::steady_clock::time_point()> now;
  std::string version;
};

/// Serves /live, /ready and /metrics to everybody and /api/v1 to loopback peers, on threads of its
/// own; keeps the last minutes of traffic for `nodeway stat`. docs/cli.md and docs/metrics.md say
/// what it tells.
class AdminServer {
 public:
  explicit AdminServer(Subject subject);
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;
  ~AdminServer();

  /// Opens the socket, with port 0 on one that the kernel chooses, and begins to serve. Called
  /// once. Returns the address, or nothing with the reason in `error`.
  [[nodiscard]] std::optional<ListenAddress> start(const ListenAddress& address,
                                                   std::string& error);
  /// Ends all connections and threads. Repeated: no-op.
  void stop();

 private:
  class State;
  std::unique_ptr<State> state_;  // keeps cpp-httplib out of other sources
};

}  // namespace router::admin
