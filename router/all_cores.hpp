// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace router {

class Core;
struct EndpointView;
namespace telemetry {
class CoreMetrics;
}

/// What all cores are asked at once. Any thread.
using Cores = std::vector<std::unique_ptr<Core>>;

/// Of all cores, one after the other; of those that answer within a second.
[[nodiscard]] std::vector<EndpointView> inspect_endpoints(const Cores& cores);

/// They live as long as the cores.
[[nodiscard]] std::vector<const telemetry::CoreMetrics*> metrics_of(const Cores& cores);

/// Requests under way on all cores.
[[nodiscard]] std::uint64_t requests_open(const Cores& cores);

}  // namespace router
