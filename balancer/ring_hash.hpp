// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace balancer {

/// Sends requests of the same key to the same endpoint. When an endpoint comes or goes, only the
/// keys that it gets or had move.
///
/// Each endpoint has many points on a ring of hashes, in proportion to its fixed weight; a key
/// belongs to the first point at or after its own. An endpoint that may not be chosen, or has too
/// much in flight, is passed over for the one that comes next on the ring.
/// Source: Karger et al., "Consistent Hashing and Random Trees", 1997; gRFC A42.
class RingHash {
 public:
  /// For a weight of 1: evens the shares out to about a tenth (one over the root of it). What
  /// weighs less has fewer, and a less exact share.
  static constexpr std::size_t kPointsEach = 128;
  /// Of all endpoints: what is sorted in about a millisecond. Beyond 128 endpoints of weight 1 each
  /// has fewer.
  static constexpr std::size_t kMaxPoints = 16'384;

  /// From here on these are the candidates that `pick` chooses from, by their `hash` and
  /// `fixed_weight`. A heavier one takes its keys from all others, which keep the rest of theirs.
  /// O(points × log points).
  void adopt(std::span<const Candidate> candidates);

  /// The endpoint of `key` among those that may be chosen and have room within `most_in_flight`
  /// (`LoadBound`); if none has, among those that may be chosen. `selection` has the candidates of
  /// `adopt`. Returns an index into them, or `nullopt` if none may be chosen. O(log points) while
  /// most of them may.
  [[nodiscard]] std::optional<std::size_t> pick(const Selection& selection,
                                                std::uint64_t key,
                                                double most_in_flight) const noexcept;

 private:
  struct Point {
    std::uint64_t at;
    std::uint32_t index;
  };

  std::vector<Point> points_;  ///< in the order of the ring
};

}  // namespace balancer
