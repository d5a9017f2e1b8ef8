// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/admin/rows.hpp"
#include "router/telemetry/totals.hpp"
#include "router/telemetry/window.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace router {
struct EndpointView;
}
namespace router::control {
struct EndpointFilter;
struct EndpointSince;
struct ServicePortRow;
}  // namespace router::control

/// The admin endpoint's tables, made from what the cores and the control plane tell. Pure
/// functions.
namespace router::admin {

/// All Services that are known or had traffic; an empty `service_namespace` means all of them.
/// Endpoints of a Service with several ports are those of the port that has most: they are the same
/// pods.
[[nodiscard]] Stat make_stat(const std::vector<control::ServicePortRow>& ports,
                             const std::vector<telemetry::ServiceTotals>& totals,
                             const telemetry::WindowView& window,
                             std::string_view service_namespace);

/// Sums up what each core says of the same endpoint, by namespace, Service, port and address.
[[nodiscard]] std::vector<EndpointRow> sum_endpoints(const std::vector<EndpointView>& views,
                                                     const control::EndpointFilter& filter);

/// The rows of `nodeway endpoints`, by namespace, Service, port and address.
struct EndpointList {
  /// Of endpoints that no worker has looked at, which a large cluster has by the hundred thousand.
  /// More than anybody reads, and 2 MB of JSON.
  static constexpr std::size_t kMaxUnused = 5'000;

  std::vector<EndpointRow> rows;
  std::size_t left_out = 0;  ///< unused ones beyond that
};

/// Adds to the endpoints that workers use those that they do not, and how long ago each came.
/// `show_known` shows all that requests may go to.
[[nodiscard]] EndpointList list_endpoints(
    std::vector<EndpointRow> used,
    const std::function<void(const std::function<void(const control::EndpointSince&)>& visit)>&
        show_known,
    std::chrono::steady_clock::time_point now);

}  // namespace router::admin
