// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/admin/rows.hpp"
#include "router/cli/command.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace router::cli {

/// A time as kubectl writes ages: two figures at most, `119s`, `9m59s`, `7h5m`, `2d`.
/// Source: k8s.io/apimachinery/pkg/util/duration, HumanDuration (without its years).
[[nodiscard]] std::string format_age(double seconds);

/// The table of `nodeway endpoints`. With `is_wide` also the open connections.
[[nodiscard]] std::string format_endpoints(const std::vector<admin::EndpointRow>& rows,
                                           bool is_wide = false);

/// That there are more endpoints than the table has; "" if there are not.
[[nodiscard]] std::string format_left_out(std::size_t n_endpoints);

/// How fresh the router's view of the cluster is: one line for what is fresh, one for each resource
/// that may be stale.
[[nodiscard]] std::string format_view(const std::vector<admin::ViewRow>& view);

/// That a saved view is served, which is so old; "" without one.
[[nodiscard]] std::string format_saved_view(std::optional<double> age_seconds);

/// `nodeway endpoints`: the endpoints of a Service, a namespace or the cluster, as this node's
/// router sees them.
void add_endpoints_command(CLI::App& app, Action& action);

}  // namespace router::cli
