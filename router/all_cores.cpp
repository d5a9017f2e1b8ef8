// SPDX-License-Identifier: Apache-2.0
#include "router/all_cores.hpp"

#include "router/telemetry/totals.hpp"
#include "router/worker/core.hpp"

#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <utility>

namespace router {
namespace {

// The admin's caller waits for the slowest core: long enough for one with a full queue, short
// enough for a person.
constexpr std::chrono::seconds kInspectTimeout{1};

/// Views of all cores, until the last one has answered or nobody waits any more.
struct Inspection {
  std::mutex mutex;
  std::condition_variable answered;
  std::size_t missing = 0;
  std::vector<EndpointView> views;
};

}  // namespace

std::vector<EndpointView> inspect_endpoints(const Cores& cores) {
  // Shared with the cores' answers, which may come after the wait is over.
  const auto inspection = std::make_shared<Inspection>();
  inspection->missing = cores.size();
  for (const auto& core : cores) {
    core->inspect_endpoints([inspection](std::vector<EndpointView> views) {
      const std::lock_guard lock{inspection->mutex};
      std::move(views.begin(), views.end(), std::back_inserter(inspection->views));
      --inspection->missing;
      inspection->answered.notify_one();
    });
  }
  std::unique_lock lock{inspection->mutex};
  inspection->answered.wait_for(
      lock, kInspectTimeout, [&inspection] { return inspection->missing == 0; });
  return std::move(inspection->views);
}

std::vector<const telemetry::CoreMetrics*> metrics_of(const Cores& cores) {
  std::vector<const telemetry::CoreMetrics*> metrics;
  for (const auto& core : cores) {
    metrics.push_back(&core->metrics());
  }
  return metrics;
}

std::uint64_t requests_open(const Cores& cores) {
  std::uint64_t requests = 0;
  for (const telemetry::ServiceTotals& service : telemetry::sum_services(metrics_of(cores))) {
    requests += service.streams_open;
  }
  return requests;
}

}  // namespace router
