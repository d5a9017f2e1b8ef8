// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace balancer {

/// How many retries there may be, so that where everything fails they add a part to the load and
/// not as much again: over a window no more than `ratio` of its requests, and `min_per_second` for
/// each of its seconds. Source: Finagle's and linkerd2-proxy's retry budgets.
struct RetryBudget {
  double ratio = 0.2;                 ///< retries for each request; from 0 to 1
  std::uint32_t min_per_second = 10;  ///< retries that are allowed besides
  std::chrono::nanoseconds window = std::chrono::seconds{10};

  /// Whether there may be one retry more, given how many of each the last window has had.
  [[nodiscard]] bool allows_one_more(std::uint64_t requests, std::uint64_t retries) const noexcept;

  friend bool operator==(const RetryBudget&, const RetryBudget&) = default;
};

}  // namespace balancer
