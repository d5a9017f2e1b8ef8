// SPDX-License-Identifier: Apache-2.0
#include "router/control/nearest_word.hpp"

#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace router::control {
namespace {

constexpr std::size_t kMaxWordBytes = 40;  // no field's name comes near; bounds the work

/// Optimal string alignment distance: Levenshtein's with swapped neighbours as one mistake.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kMaxWordBytes + 1>;
  std::array<Row, kMaxWordBytes + 1> cost{};
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const bool same = to_lower(a[i - 1]) == to_lower(b[j - 1]);
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && to_lower(a[i - 1]) == to_lower(b[j - 2]) &&
          to_lower(a[i - 2]) == to_lower(b[j - 1])) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string_view nearest_word(std::string_view misspelt, std::span<const std::string_view> words) {
  std::string_view nearest;
  std::size_t best = misspelt.size() > 4 ? 3 : 2;  // first distance that is too far
  if (misspelt.size() > kMaxWordBytes) {
    return {};
  }
  for (const std::string_view word : words) {
    const std::size_t distance = edit_distance(misspelt, word.substr(0, kMaxWordBytes));
    if (distance < best) {
      best = distance;
      nearest = word;
    }
  }
  return nearest;
}

}  // namespace router::control
