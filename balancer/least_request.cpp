// SPDX-License-Identifier: Apache-2.0
#include "balancer/least_request.hpp"

namespace balancer {
namespace {

double load_with_one_more(const Candidate& candidate) noexcept {
  return (1.0 + candidate.in_flight) / candidate.weight;
}

}  // namespace

std::optional<std::size_t> pick_least_request(const Selection& selection, Rng& rng) noexcept {
  const auto drawn = draw_two(selection, rng);
  if (!drawn) {
    return std::nullopt;
  }
  const auto [first, second] = *drawn;
  return load_with_one_more(selection.candidates[second]) <
                 load_with_one_more(selection.candidates[first])
             ? second
             : first;
}

}  // namespace balancer
