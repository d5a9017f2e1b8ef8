// SPDX-License-Identifier: Apache-2.0
#include "balancer/reported_weight.hpp"

#include <algorithm>

namespace balancer {

void ReportedWeight::observe(double requests_per_second,
                             double errors_per_second,
                             double utilization,
                             TimePoint now) noexcept {
  if (requests_per_second <= 0 || utilization <= 0) {
    return;
  }
  if (!is_fresh(now)) {
    since_ = now;
  }
  updated_at_ = now;
  weight_ =
      requests_per_second / (utilization + errors_per_second / requests_per_second * kErrorPenalty);
}

std::optional<double> ReportedWeight::weight(TimePoint now) const noexcept {
  return is_fresh(now) && now - since_ >= kBlackout ? std::optional{weight_} : std::nullopt;
}

void level(std::span<double> weights) noexcept {
  double sum = 0;
  std::size_t n_known = 0;
  for (const double weight : weights) {
    sum += weight;
    n_known += weight > 0 ? 1 : 0;
  }
  const double mean = n_known > 0 ? sum / static_cast<double>(n_known) : 0;
  for (double& weight : weights) {
    const bool counts = weight > 0 && n_known >= 2;
    weight = counts ? std::clamp(weight / mean, kLeastWeight, kGreatestWeight) : 1;
  }
}

}  // namespace balancer
