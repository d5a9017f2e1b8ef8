// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

namespace balancer {

/// An endpoint that has just come begins with this part of its weight. Less would be too few
/// requests to warm it up. Source: Envoy's `slow_start_config`, `min_weight_percent`.
inline constexpr double kFirstShare = 0.1;

/// The part of its weight that an endpoint has at that age: rises evenly, and is whole after
/// `window`. Most of all for policies that do not see for themselves that an endpoint is slow.
[[nodiscard]] constexpr double slow_start_share(Nanoseconds age, Nanoseconds window) noexcept {
  if (age >= window) {
    return 1;
  }
  const double part = static_cast<double>(age.count()) / static_cast<double>(window.count());
  return part > kFirstShare ? part : kFirstShare;
}

}  // namespace balancer
