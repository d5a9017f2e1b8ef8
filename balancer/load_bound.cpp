// SPDX-License-Identifier: Apache-2.0
#include "balancer/load_bound.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace balancer {
namespace {

std::size_t count_allowed(const Selection& selection) noexcept {
  if (selection.eligibility == nullptr) {
    return selection.candidates.size();
  }
  std::size_t n_allowed = 0;
  for (std::size_t i = 0; i < selection.candidates.size(); ++i) {
    n_allowed += selection.allows(i) ? 1 : 0;
  }
  return n_allowed;
}

}  // namespace

std::uint32_t LoadBound::most_in_flight(const Selection& selection,
                                        std::uint64_t in_flight) const noexcept {
  const std::uint64_t n_shares = std::max<std::uint64_t>(count_allowed(selection), 1) * 100;
  const std::uint64_t bound = ((in_flight + 1) * percent + n_shares - 1) / n_shares;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(bound, kFreeRequests, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace balancer
