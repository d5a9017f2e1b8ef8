// SPDX-License-Identifier: Apache-2.0
#include "balancer/round_robin.hpp"

#include <algorithm>

namespace balancer {

std::optional<std::size_t> RoundRobin::pick(std::span<const std::uint64_t> ids) noexcept {
  if (ids.empty()) {
    return std::nullopt;
  }
  // Those that were passed already wait for the next round; within a round the least one is next.
  const auto is_earlier = [last = last_](std::uint64_t a, std::uint64_t b) {
    const bool a_waits = last && a <= *last;
    const bool b_waits = last && b <= *last;
    return a_waits != b_waits ? b_waits : a < b;
  };
  const auto next = std::min_element(ids.begin(), ids.end(), is_earlier);
  last_ = *next;
  return static_cast<std::size_t>(next - ids.begin());
}

}  // namespace balancer
