// SPDX-License-Identifier: Apache-2.0
#include "balancer/latency_quantile.hpp"

#include <algorithm>

namespace balancer {

void LatencyQuantile::observe(std::chrono::nanoseconds latency) noexcept {
  const double ns = std::max(static_cast<double>(latency.count()), 1.0);
  if (n_samples_ == 0) {
    estimate_ns_ = ns;
  } else if (ns > estimate_ns_) {
    estimate_ns_ *= 1 + kStep * std::min(1.0, quantile_ / (1 - quantile_));
  } else {
    estimate_ns_ *= 1 - kStep * std::min(1.0, (1 - quantile_) / quantile_);
  }
  n_samples_ = std::min(n_samples_ + 1, kMinSamples);
}

std::optional<std::chrono::nanoseconds> LatencyQuantile::estimate() const noexcept {
  if (n_samples_ < kMinSamples) {
    return std::nullopt;
  }
  return std::chrono::nanoseconds{static_cast<std::int64_t>(estimate_ns_)};
}

}  // namespace balancer
