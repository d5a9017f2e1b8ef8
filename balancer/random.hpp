// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace balancer {

/// Any endpoint, by its weight, whatever went before. Needs no state that several routers would
/// have to share, and never falls into step with them.
class Random {
 public:
  /// From here on these are the candidates that `pick` chooses from, with these weights. O(n).
  void adopt(std::span<const Candidate> candidates);

  /// `selection` has the candidates of `adopt`. Returns an index into them, or `nullopt` if none
  /// may be chosen. O(log n) while most of them may be; allocates nothing.
  [[nodiscard]] std::optional<std::size_t> pick(const Selection& selection, Rng& rng) const;

 private:
  std::vector<double> sums_;  ///< of the weights, up to and with each candidate
};

}  // namespace balancer
