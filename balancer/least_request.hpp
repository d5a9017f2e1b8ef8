// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <optional>

namespace balancer {

/// Power of two choices by requests in flight: of two candidates, drawn by weight, the one that has
/// fewer for its weight (`is_less_busy`), the first drawn if they have as many. Blind to how long
/// replies take but for what they leave in flight: for replies that differ by the request rather
/// than by the endpoint.
///
/// Returns an index into the candidates, or `nullopt` if none may be chosen. O(1), O(log n) where
/// weights differ; allocates nothing.
/// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
[[nodiscard]] std::optional<std::size_t> pick_least_request(const Selection& selection,
                                                            Rng& rng) noexcept;

}  // namespace balancer
