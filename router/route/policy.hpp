// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace router {

using Nanoseconds = std::chrono::nanoseconds;

enum class BalancerKind : std::uint8_t { peak_ewma, round_robin };

/// Protocol spoken to the pods of a Service port.
enum class UpstreamProtocol : std::uint8_t {
  as_caller,  ///< what the caller speaks: nothing says otherwise
  h2c,
  http1,
  tls,  ///< the port wants TLS (`https`, `wss`), which is not spoken yet: requests get
        ///< `unknown_port`
};

/// How the requests for one Service port are treated: the defaults of the configuration with the
/// Service's own values laid over them. Plain value, part of a Snapshot.
struct Policy {
  BalancerKind balancer = BalancerKind::peak_ewma;
  Nanoseconds decay =
      std::chrono::seconds{10};  ///< of the latency estimate; see balancer::PeakEwma
  Nanoseconds connect_timeout =
      std::chrono::seconds{1};  ///< TCP and, for HTTP/2, the peer's first SETTINGS
  std::optional<Nanoseconds>
      request_timeout;                  ///< from the request's head to its end; none by default
  std::uint32_t queue_requests = 1000;  ///< waiting for an endpoint, per worker
  Nanoseconds queue_timeout = std::chrono::seconds{3};  ///< longest wait for a usable endpoint
  std::optional<UpstreamProtocol> upstream_protocol;    ///< overrides what the Service's port says
};

}  // namespace router
