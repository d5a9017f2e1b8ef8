// SPDX-License-Identifier: Apache-2.0
#include "balancer/least_request.hpp"

namespace balancer {
std::optional<std::size_t> pick_least_request(const Selection& selection, Rng& rng) noexcept {
  const auto drawn = draw_two(selection, rng);
  if (!drawn) {
    return std::nullopt;
  }
  const auto [first, second] = *drawn;
  return is_less_busy(selection.candidates[second], selection.candidates[first]) ? second : first;
}

}  // namespace balancer
