// SPDX-License-Identifier: Apache-2.0
#include "balancer/subset.hpp"

#include "balancer/stable_hash.hpp"

#include <algorithm>
#include <numeric>

namespace balancer {

std::vector<std::size_t> subset_of(std::span<const std::uint64_t> hashes,
                                   std::uint64_t router,
                                   std::size_t size) {
  std::vector<std::size_t> indexes(hashes.size());
  std::iota(indexes.begin(), indexes.end(), 0);
  if (hashes.size() <= size) {
    return indexes;
  }
  const auto comes_before = [&](std::size_t a, std::size_t b) {
    return scatter(hashes[a] ^ router) < scatter(hashes[b] ^ router);
  };
  const auto end = indexes.begin() + static_cast<std::ptrdiff_t>(size);
  std::nth_element(indexes.begin(), end, indexes.end(), comes_before);
  indexes.erase(end, indexes.end());
  std::sort(indexes.begin(), indexes.end());
  return indexes;
}

}  // namespace balancer
