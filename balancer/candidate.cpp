// SPDX-License-Identifier: Apache-2.0
#include "balancer/candidate.hpp"

#include <algorithm>

namespace balancer {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

using Uniform = std::uniform_real_distribution<double>;

/// Any but `other`, all alike.
std::size_t draw_alike(std::size_t n_candidates, std::size_t other, Rng& rng) noexcept {
  const std::size_t n_drawn_from = n_candidates - (other != kNone ? 1 : 0);
  const std::size_t drawn = std::uniform_int_distribution<std::size_t>{0, n_drawn_from - 1}(rng);
  // A number from the other one on stands for its successor.
  return drawn + (drawn >= other ? 1 : 0);
}

/// Any but `other`, whose part of the sum is cut out; it itself only by rounding.
std::size_t draw_by_weight(std::span<const double> sums, std::size_t other, Rng& rng) noexcept {
  double begin = sums.back();
  double cut = 0;
  if (other != kNone) {
    begin = other > 0 ? sums[other - 1] : 0;
    cut = sums[other] - begin;
  }
  double at = Uniform{0, sums.back() - cut}(rng);
  at += at >= begin ? cut : 0;
  const auto found = std::upper_bound(sums.begin(), sums.end(), at);
  // Rounding may draw the upper end itself.
  return std::min(static_cast<std::size_t>(found - sums.begin()), sums.size() - 1);
}

/// Looks at all of them. Each one met takes the place of those before it by its share, so that its
/// chance is its weight's.
std::optional<std::size_t> draw_among_few(const Selection& selection,
                                          std::size_t other,
                                          Rng& rng) noexcept {
  std::optional<std::size_t> chosen;
  double sum = 0;
  for (std::size_t i = 0; i < selection.candidates.size(); ++i) {
    if (i != other && selection.allows(i)) {
      const double weight = selection.candidates[i].weight;
      sum += weight;
      if (!chosen || Uniform{0, sum}(rng) < weight) {
        chosen = i;
      }
    }
  }
  return chosen;
}

/// One of those that may be chosen, but not `other`.
std::optional<std::size_t> draw_but(const Selection& selection,
                                    std::size_t other,
                                    Rng& rng) noexcept {
  const std::size_t n_candidates = selection.candidates.size();
  const bool is_any_left = n_candidates > (other != kNone ? 1 : 0);
  for (int i = 0; i < kDraws && is_any_left; ++i) {
    const std::size_t drawn = selection.weight_sums.empty()
                                  ? draw_alike(n_candidates, other, rng)
                                  : draw_by_weight(selection.weight_sums, other, rng);
    if (drawn != other && selection.allows(drawn)) {
      return drawn;
    }
  }
  return draw_among_few(selection, other, rng);
}

}  // namespace

bool is_less_busy(const Candidate& a, const Candidate& b) noexcept {
  if (a.weight == b.weight) {
    return a.in_flight < b.in_flight;
  }
  // b.in_flight / b.weight - a.in_flight / a.weight >= 1 / the lesser weight
  return b.in_flight * a.weight - a.in_flight * b.weight >= std::max(a.weight, b.weight);
}

void sum_up_weights(std::span<const Candidate> candidates, std::vector<double>& sums) {
  sums.clear();
  if (std::all_of(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
        return candidate.weight == candidates.front().weight;
      })) {
    return;
  }
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    sums.push_back(sum);
  }
}

std::optional<std::size_t> draw_one(const Selection& selection, Rng& rng) noexcept {
  return draw_but(selection, kNone, rng);
}

std::optional<std::pair<std::size_t, std::size_t>> draw_two(const Selection& selection,
                                                            Rng& rng) noexcept {
  const auto first = draw_but(selection, kNone, rng);
  if (!first) {
    return std::nullopt;
  }
  return std::pair{*first, draw_but(selection, *first, rng).value_or(*first)};
}

}  // namespace balancer
