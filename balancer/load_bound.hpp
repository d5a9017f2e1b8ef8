// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace balancer {

/// How much of the load one endpoint may have where requests choose it by a hash, so that a key
/// which many requests share does not bury it.
/// Source: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016.
struct LoadBound {
  /// A few requests at once are no load that a warm cache should be lost for.
  static constexpr std::uint32_t kFreeRequests = 4;

  /// Of the share of what is in flight that is an endpoint's by its fixed weight; over 100. The
  /// least figure moves the most requests from where they belong, the greatest none.
  std::uint32_t percent;

  /// What some candidates have together.
  struct Load {
    double fixed_weight = 0;
    std::uint64_t in_flight = 0;
  };

  /// Requests in flight below which an endpoint takes one more (`has_room`), for each unit of its
  /// fixed weight, by what those have that may be chosen; `all` is what all candidates have. O(1),
  /// O(n) where some may not be chosen.
  [[nodiscard]] double most_in_flight(const Selection& selection, const Load& all) const noexcept;

  [[nodiscard]] static bool has_room(const Candidate& candidate, double most_in_flight) noexcept {
    return candidate.in_flight < kFreeRequests ||
           candidate.in_flight < most_in_flight * candidate.fixed_weight;
  }
};

/// Follows a way past candidates, `index_at(0)` to `index_at(n_steps - 1)`: the first one that may
/// be chosen and has room within `most_in_flight`; if none has, the first that may be chosen.
template <class IndexAt>
[[nodiscard]] std::optional<std::size_t> first_with_room(const Selection& selection,
                                                         double most_in_flight,
                                                         std::size_t n_steps,
                                                         const IndexAt& index_at) noexcept {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < n_steps; ++i) {
    const std::size_t index = index_at(i);
    if (selection.allows(index)) {
      if (LoadBound::has_room(selection.candidates[index], most_in_flight)) {
        return index;
      }
      first = first.value_or(index);
    }
  }
  return first;
}

}  // namespace balancer
