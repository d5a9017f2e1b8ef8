// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace balancer {

/// Each endpoint in turn, in the order of their identifiers. One of twice the weight has twice as
/// many turns, evenly spread.
///
/// Endpoints may come and go: one that comes is served within one round, behind those that wait
/// already, and the shares of the others stay even. One that may not be chosen when its turn comes
/// loses that turn; it is not made up for.
/// Source: earliest deadline first, as in gRFC A58 ("weighted round robin").
class RoundRobin {
 public:
  /// From here on these are the candidates that `pick` chooses from, in this order. O(n log n).
  void adopt(std::span<const Candidate> candidates);

  /// The one whose turn it is of those that may be chosen. `selection` has the candidates of
  /// `adopt`. Returns an index into them, or `nullopt` if none may be chosen. O(log n) for each one
  /// passed; allocates nothing.
  [[nodiscard]] std::optional<std::size_t> pick(const Selection& selection);

 private:
  struct Turn {
    double due;  ///< in rounds
    std::uint64_t id;
    std::size_t index;
  };
  static bool is_later(const Turn& a, const Turn& b) noexcept;

  double round_ = 0;          ///< when the last one picked was due
  std::vector<Turn> turns_;   ///< a heap, the first one due at its front
  std::vector<Turn> passed_;  ///< by the current pick; a member so that it allocates nothing
};

}  // namespace balancer
