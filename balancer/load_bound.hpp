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

  /// Of the even share of what is in flight; over 100. The least figure moves the most requests
  /// from where they belong, the greatest none.
  std::uint32_t percent;

  /// Requests in flight up to which an endpoint takes one more, by what those have that may be
  /// chosen; `in_flight` are with all candidates together. O(1), O(n) where some may not be chosen.
  [[nodiscard]] std::uint32_t most_in_flight(const Selection& selection,
                                             std::uint64_t in_flight) const noexcept;
};

/// Follows a way past candidates, `index_at(0)` to `index_at(n_steps - 1)`: the first one that may
/// be chosen and has less than `most_in_flight`; if none has, the first that may be chosen.
template <class IndexAt>
[[nodiscard]] std::optional<std::size_t> first_with_room(const Selection& selection,
                                                         std::uint32_t most_in_flight,
                                                         std::size_t n_steps,
                                                         const IndexAt& index_at) noexcept {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < n_steps; ++i) {
    const std::size_t index = index_at(i);
    if (selection.allows(index)) {
      if (selection.candidates[index].in_flight < most_in_flight) {
        return index;
      }
      first = first.value_or(index);
    }
  }
  return first;
}

}  // namespace balancer
