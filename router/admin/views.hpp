// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/admin/rows.hpp"
#include "router/telemetry/totals.hpp"
#include "router/telemetry/window.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace router {
struct EndpointView;
}
namespace router::control {
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

/// Sums up what each core says of the same endpoint, by namespace, Service, port and address; an
/// empty `service_namespace` means all of them.
[[nodiscard]] std::vector<EndpointRow> sum_endpoints(const std::vector<EndpointView>& views,
                                                     std::string_view service_namespace);

/// Fills in how long ago each endpoint came, where that is known.
void add_ages(std::vector<EndpointRow>& rows,
              const std::vector<control::EndpointSince>& known,
              std::chrono::steady_clock::time_point now);

}  // namespace router::admin
