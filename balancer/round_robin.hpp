// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace balancer {

/// Each endpoint in turn, in the order of their identifiers.
///
/// Remembers only whose turn it was last, so endpoints may come and go between picks: a new one
/// gets its turn within one round, and the shares of the others stay even. Rounds of candidates
/// that are left out for one pick (at their limits, tried already) are not made up for.
class RoundRobin {
 public:
  /// The candidate with the least identifier above the last one picked, else with the least of all.
  /// `ids` are distinct, in any order, the same for the same endpoint over its life. Returns an
  /// index into `ids`, or `nullopt` if it is empty. O(n), allocates nothing.
  [[nodiscard]] std::optional<std::size_t> pick(std::span<const std::uint64_t> ids) noexcept;

 private:
  std::optional<std::uint64_t> last_;
};

}  // namespace balancer
