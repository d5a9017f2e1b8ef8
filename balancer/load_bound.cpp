// SPDX-License-Identifier: Apache-2.0
#include "balancer/load_bound.hpp"

#include <cstddef>

namespace balancer {
namespace {

using Load = LoadBound::Load;

/// Of those that may be chosen.
Load load_of(const Selection& selection, const Load& all) noexcept {
  if (selection.eligibility == nullptr) {
    return all;
  }
  Load load;
  for (std::size_t i = 0; i < selection.candidates.size(); ++i) {
    if (selection.allows(i)) {
      load.fixed_weight += selection.candidates[i].fixed_weight;
      load.in_flight += selection.candidates[i].in_flight;
    }
  }
  return load;
}

}  // namespace

double LoadBound::most_in_flight(const Selection& selection, const Load& all) const noexcept {
  const Load load = load_of(selection, all);
  const auto share = static_cast<double>((load.in_flight + 1) * percent);
  return load.fixed_weight > 0 ? share / (load.fixed_weight * 100) : 0;
}

}  // namespace balancer
