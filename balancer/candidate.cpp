// SPDX-License-Identifier: Apache-2.0
#include "balancer/candidate.hpp"

namespace balancer {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// One of those that may be chosen, but not `other`.
std::optional<std::size_t> draw_but(const Selection& selection,
                                    std::size_t other,
                                    Rng& rng) noexcept {
  const std::size_t n_candidates = selection.candidates.size();
  const std::size_t n_drawn_from = n_candidates - (other != kNone ? 1 : 0);
  using Draw = std::uniform_int_distribution<std::size_t>;
  for (int i = 0; i < kDraws && n_drawn_from > 0; ++i) {
    // A number from the other one on stands for its successor.
    std::size_t drawn = Draw{0, n_drawn_from - 1}(rng);
    drawn += drawn >= other ? 1 : 0;
    if (selection.allows(drawn)) {
      return drawn;
    }
  }
  // Each one met takes the place of those before it by its share, so that all are alike.
  std::optional<std::size_t> chosen;
  std::size_t n_met = 0;
  for (std::size_t i = 0; i < n_candidates; ++i) {
    if (i != other && selection.allows(i) && Draw{0, n_met++}(rng) == 0) {
      chosen = i;
    }
  }
  return chosen;
}

}  // namespace

std::optional<std::pair<std::size_t, std::size_t>> draw_two(const Selection& selection,
                                                            Rng& rng) noexcept {
  const auto first = draw_but(selection, kNone, rng);
  if (!first) {
    return std::nullopt;
  }
  return std::pair{*first, draw_but(selection, *first, rng).value_or(*first)};
}

}  // namespace balancer
