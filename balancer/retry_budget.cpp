// SPDX-License-Identifier: Apache-2.0
#include "balancer/retry_budget.hpp"

namespace balancer {

bool RetryBudget::allows_one_more(std::uint64_t requests, std::uint64_t retries) const noexcept {
  const double seconds = std::chrono::duration<double>(window).count();
  const double allowed =
      ratio * static_cast<double>(requests) + static_cast<double>(min_per_second) * seconds;
  return static_cast<double>(retries + 1) <= allowed;
}

}  // namespace balancer
