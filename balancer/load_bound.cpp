// SPDX-License-Identifier: Apache-2.0
#include "balancer/load_bound.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace balancer {
namespace {

/// Of those that may be chosen.
struct Load {
  std::uint64_t n_candidates;
  std::uint64_t in_flight;
};

Load load_of(const Selection& selection, std::uint64_t in_flight_of_all) noexcept {
  if (selection.eligibility == nullptr) {
    return {.n_candidates = selection.candidates.size(), .in_flight = in_flight_of_all};
  }
  Load load{};
  for (std::size_t i = 0; i < selection.candidates.size(); ++i) {
    if (selection.allows(i)) {
      ++load.n_candidates;
      load.in_flight += selection.candidates[i].in_flight;
    }
  }
  return load;
}

}  // namespace

std::uint32_t LoadBound::most_in_flight(const Selection& selection,
                                        std::uint64_t in_flight) const noexcept {
  const Load load = load_of(selection, in_flight);
  const std::uint64_t n_shares = std::max<std::uint64_t>(load.n_candidates, 1) * 100;
  const std::uint64_t bound = ((load.in_flight + 1) * percent + n_shares - 1) / n_shares;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(bound, kFreeRequests, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace balancer
