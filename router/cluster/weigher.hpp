// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/reported_weight.hpp"
#include "router/exchange/load_report.hpp"
#include "router/worker/timer_wheel.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

namespace router {

/// What the weight of one endpoint is made from, on one worker.
struct Weighed {
  balancer::ReportedWeight reported;
  TimePoint came_at{};    ///< since when it is selected; the epoch of one that was there before us
  double configured = 1;  ///< `Endpoint::weight`
};

/// The weights of a cluster's endpoints: by their own reports (balancer::ReportedWeight) and the
/// configuration (`balancer.weights`), and less for those that have just come
/// (`balancer.slowStart`). Nothing is to do while nobody reports or has just come.
class Weigher {
 public:
  void apply(std::chrono::nanoseconds slow_start) noexcept { slow_start_ = slow_start; }
  /// From here on these are the endpoints, in this order; they outlive their use.
  void adopt(std::vector<Weighed*> endpoints, TimePoint now);
  void observe(std::size_t index, const LoadReport& report, TimePoint now);

  /// Whether `weights` may differ from what they were. One comparison.
  [[nodiscard]] bool is_due(TimePoint now) const noexcept { return now >= due_at_; }
  /// The weights as of now, in the order of the endpoints; valid until the next call. O(n).
  [[nodiscard]] std::span<const double> weights(TimePoint now);
  /// As `weights` had it last; 1 where it has not been asked for.
  [[nodiscard]] double last_weight(std::size_t index) const noexcept {
    return index < weights_.size() ? weights_[index] : 1;
  }

 private:
  std::vector<Weighed*> endpoints_;
  std::vector<double> weights_;
  std::chrono::nanoseconds slow_start_{0};
  TimePoint due_at_ = TimePoint::max();
};

}  // namespace router
