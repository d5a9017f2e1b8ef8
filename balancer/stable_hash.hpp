// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace balancer {

/// Hash of a text that is the same on every node, in every process and version: what is hashed to
/// an endpoint must get there whichever router it comes through. Not for adversaries. Source:
/// FNV-1a, 64 bits (Fowler, Noll, Vo), with `scatter` at the end.
[[nodiscard]] std::uint64_t stable_hash(std::string_view text) noexcept;

/// A bijection of 64-bit numbers that makes neighbours strangers.
/// Source: the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
[[nodiscard]] std::uint64_t scatter(std::uint64_t number) noexcept;

}  // namespace balancer
