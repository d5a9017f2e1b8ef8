// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/snapshot.hpp"
#include "router/errc.hpp"
#include "router/limits/buffer_budget.hpp"
#include "router/limits/client_quota.hpp"
#include "router/pool/unreachable_endpoint.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/tls/server_context.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// One core's view of one endpoint, for `nodeway endpoints`.
struct EndpointView {
  std::string service_namespace;
  std::string service;
  std::uint16_t port = 0;
  std::string address;
  std::string pod;
  std::string state;  ///< `ready`, `connecting`, `ejected`, `unreachable` (ejected, since it could
                      ///< not be connected), `unselected` (but named by its address), `draining`
                      ///< (no longer selected, streams or connections still open)
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;  ///< by `endpointFailure`
  std::uint32_t in_flight = 0;
  std::uint32_t connections = 0;
  std::optional<std::chrono::nanoseconds>
      latency;                   ///< balancer's estimate; nothing before the first sample
  std::optional<double> weight;  ///< in the choice, 1 unless told otherwise; nothing if not in it
  std::string_view ejected_for;  ///< one of telemetry::kEjectionCauseNames; "": it is not ejected
};

class SharedPorts;

/// One CPU's world: event loop, listeners, client connections, exchanges, pools, figures. Nothing
/// of it is shared with another core, but for the aggregates of `Options::shared`.
///
/// Construction and `listen` come before `run`; `run` is the thread's body; the rest may be called
/// from any thread.
class Core {
 public:
  struct Options {
    std::uint32_t index = 0;
    std::uint32_t seed = 0;  ///< of the balancer's choices
    std::string via;         ///< who we are in `via` headers, for instance `nodeway-1a2b3c4d`
    SharedPorts& shared;     ///< what the cores tell each other; outlives them
    ClientQuota& clients;    ///< of all cores; outlives them
    BufferBudget& buffers;   ///< ditto
    UnreachableListener on_unreachable{};  ///< may be empty
  };

  explicit Core(Options options);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  /// Opens a listening socket with SO_REUSEPORT; with port 0 the kernel chooses. Returns the
  /// address it got, which the other cores then listen on. An IPv6 wildcard is dual-stack.
  Result<boost::asio::ip::tcp::endpoint> listen(const boost::asio::ip::tcp::endpoint& address);
  /// The same for clients that use TLS. What they are shown is given by `adopt`, before `run`.
  Result<boost::asio::ip::tcp::endpoint> listen_tls(const boost::asio::ip::tcp::endpoint& address);

  /// Runs until `stop`, or until a drain has ended.
  void run();
  /// Any thread. Requests that begin from now on use `snapshot`; earlier ones keep theirs.
  void adopt(SnapshotPtr snapshot);
  /// Any thread. TLS connections that are accepted from now on use `tls`; earlier ones go on.
  void adopt(tls::ServerContextPtr tls);
  /// Any thread. Stops accepting, sends GOAWAY, and lets `run` return when the last stream has
  /// ended.
  void drain();
  /// Any thread. Lets `run` return now.
  void stop();
  /// Any thread. Runs `visit` on the core's own thread with its endpoints, soon.
  void inspect_endpoints(std::function<void(std::vector<EndpointView>)> visit);

  /// Any thread, for the life of the core.
  [[nodiscard]] const telemetry::CoreMetrics& metrics() const noexcept;

 private:
  class State;
  std::unique_ptr<State>
      state_;  // keeps the whole data plane's headers out of the control plane's sources
};

}  // namespace router
