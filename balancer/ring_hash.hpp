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
/// Each endpoint has many points on a ring of hashes; a key belongs to the first point at or after
/// its own. An endpoint that may not be chosen, or has too much in flight, is passed over for the
/// one that comes next on the ring.
/// Source: Karger et al., "Consistent Hashing and Random Trees", 1997; gRFC A42.
class RingHash {
 public:
  /// Evens the shares out to about a tenth (one over the root of it).
  static constexpr std::size_t kPointsEach = 128;
  /// Of all endpoints: what is sorted in about a millisecond. Beyond 128 endpoints each has fewer.
  static constexpr std::size_t kMaxPoints = 16'384;

  /// From here on these are the candidates that `pick` chooses from, by their `hash`.
  /// O(points × log points).
  void adopt(std::span<const Candidate> candidates);

  /// The endpoint of `key` among those that may be chosen and have less than `most_in_flight`; if
  /// none has, among those that may be chosen. `selection` has the candidates of `adopt`. Returns
  /// an index into them, or `nullopt` if none may be chosen. O(log points) while most of them may.
  [[nodiscard]] std::optional<std::size_t> pick(const Selection& selection,
                                                std::uint64_t key,
                                                std::uint32_t most_in_flight) const noexcept;

 private:
  struct Point {
    std::uint64_t at;
    std::uint32_t index;
  };

  std::vector<Point> points_;  ///< in the order of the ring
};

}  // namespace balancer
