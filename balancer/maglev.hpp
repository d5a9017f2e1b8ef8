// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace balancer {

/// Sends requests of the same key to the same endpoint, by a table: shares are those of the fixed
/// weights to a place of the table, and a choice is one look. In turn a few keys more than on a
/// ring move when an endpoint comes or goes.
///
/// An endpoint that may not be chosen, or has too much in flight, is passed over for the one of the
/// table's next place.
/// Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", 2016.
class Maglev {
 public:
  /// A prime, as the table's order needs it, and a hundred places each for 160 endpoints: shares
  /// are within 1 %. Filled in less than a millisecond. It must never depend on the number of
  /// endpoints: another size would move every key.
  static constexpr std::size_t kPlaces = 16'381;

  /// From here on these are the candidates that `pick` chooses from, by their `hash` and
  /// `fixed_weight`. O(places) where they weigh the same, else up to so many times as much as the
  /// heaviest one weighs more than the mean.
  void adopt(std::span<const Candidate> candidates);

  /// As `RingHash::pick`. O(1) while most of them may be chosen.
  [[nodiscard]] std::optional<std::size_t> pick(const Selection& selection,
                                                std::uint64_t key,
                                                double most_in_flight) const noexcept;

 private:
  std::vector<std::uint32_t> places_;  ///< indexes of candidates; empty if there are none
};

}  // namespace balancer
