// SPDX-License-Identifier: Apache-2.0
#include "balancer/ring_hash.hpp"

#include "balancer/load_bound.hpp"
#include "balancer/stable_hash.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace balancer {
namespace {

/// For a weight of 1. A power of two, so that it seldom changes with the number of endpoints; those
/// of the smaller number are among those of the greater, so that a change moves few keys.
std::size_t points_of_each(std::span<const Candidate> candidates) noexcept {
  double weight = 0;
  for (const Candidate& candidate : candidates) {
    weight += candidate.fixed_weight;
  }
  const double share = static_cast<double>(RingHash::kMaxPoints) / std::max(weight, 1.0);
  return std::clamp<std::size_t>(
      std::bit_floor(static_cast<std::size_t>(share)), 1, RingHash::kPointsEach);
}

std::size_t points_of(const Candidate& candidate, std::size_t n_points_each) noexcept {
  const double share = std::round(candidate.fixed_weight * static_cast<double>(n_points_each));
  return std::max<std::size_t>(static_cast<std::size_t>(share), 1);
}

}  // namespace

void RingHash::adopt(std::span<const Candidate> candidates) {
  points_.clear();
  const std::size_t n_points_each = points_of_each(candidates);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::size_t n_points = points_of(candidates[i], n_points_each);
    for (std::size_t n = 0; n < n_points; ++n) {
      // Distinct for each endpoint, however alike their hashes and the numbers are.
      points_.push_back({.at = scatter(candidates[i].hash ^ scatter(n + 1)),
                         .index = static_cast<std::uint32_t>(i)});
    }
  }
  std::sort(
      points_.begin(), points_.end(), [](const Point& a, const Point& b) { return a.at < b.at; });
}

std::optional<std::size_t> RingHash::pick(const Selection& selection,
                                          std::uint64_t key,
                                          double most_in_flight) const noexcept {
  const auto owner =
      std::lower_bound(points_.begin(), points_.end(), key, [](const Point& point, auto sought) {
        return point.at < sought;
      });
  const auto from = static_cast<std::size_t>(owner - points_.begin());
  return first_with_room(selection, most_in_flight, points_.size(), [&](std::size_t i) {
    return points_[(from + i) % points_.size()].index;
  });
}

}  // namespace balancer
