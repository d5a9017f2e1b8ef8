// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/histogram.hpp"
#include "router/telemetry/metrics.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace router::telemetry {

/// Number of requests that ended in one way, over all cores.
struct ResponseCount {
  ResponseKey key;
  std::uint64_t count = 0;
};

/// What all cores together have counted of one Service port since the start of the process.
struct ServiceTotals {
  std::string service_namespace;  ///< empty for requests that named no Service
  std::string service;
  std::string port;
  std::uint64_t requests = 0;
  std::uint64_t repicks = 0;
  std::uint64_t retries = 0;
  std::uint64_t hedges = 0;
  std::array<std::uint64_t, kRetryRefusalNames.size()> retries_refused{};
  std::uint64_t streams_open = 0;
  std::uint64_t requests_queued = 0;
  std::array<std::uint64_t, kUpstreamStateNames.size()> upstream_connections{};  ///< by state
  std::array<std::uint64_t, kEjectionCauseNames.size()> ejections{};             ///< by cause
  std::uint64_t endpoints_ejected = 0;  ///< by that core which has ejected the most
  std::uint64_t panic_requests = 0;
  std::uint64_t zone_spills = 0;
  std::vector<ResponseCount> responses;
  HistogramCounts response_start;
  HistogramCounts duration;

  /// Connections to endpoints that are there: open or draining.
  [[nodiscard]] std::uint64_t connected() const noexcept;
  /// Requests that ended, in whatever way.
  [[nodiscard]] std::uint64_t ended() const noexcept;
  /// Those of them that are a success by their policy (ReplyClass).
  [[nodiscard]] std::uint64_t succeeded() const noexcept;
};

/// Sums up over `cores`, by namespace, Service and port in this order. Any thread; about 6 KB and
/// 700 reads for each Service port on each core.
[[nodiscard]] std::vector<ServiceTotals> sum_services(std::span<const CoreMetrics* const> cores);

}  // namespace router::telemetry
