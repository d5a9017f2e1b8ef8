// SPDX-License-Identifier: Apache-2.0
#include "balancer/random.hpp"

#include <algorithm>

namespace balancer {
namespace {

using Uniform = std::uniform_real_distribution<double>;

/// Looks at all of them. Each one met takes the place of those before it by its share, so that its
/// chance is its weight's.
std::optional<std::size_t> pick_among_few(const Selection& selection, Rng& rng) {
  std::optional<std::size_t> chosen;
  double sum = 0;
  for (std::size_t i = 0; i < selection.candidates.size(); ++i) {
    if (selection.allows(i)) {
      sum += selection.candidates[i].weight;
      if (Uniform{0, sum}(rng) < selection.candidates[i].weight) {
        chosen = i;
      }
    }
  }
  return chosen;
}

}  // namespace

void Random::adopt(std::span<const Candidate> candidates) {
  sums_.clear();
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    sums_.push_back(sum);
  }
}

std::optional<std::size_t> Random::pick(const Selection& selection, Rng& rng) const {
  for (int i = 0; i < kDraws && !sums_.empty(); ++i) {
    const auto found = std::upper_bound(sums_.begin(), sums_.end(), Uniform{0, sums_.back()}(rng));
    // Rounding may draw the upper end itself.
    const auto drawn = std::min(static_cast<std::size_t>(found - sums_.begin()), sums_.size() - 1);
    if (selection.allows(drawn)) {
      return drawn;
    }
  }
  return pick_among_few(selection, rng);
}

}  // namespace balancer
