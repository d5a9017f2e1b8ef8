// SPDX-License-Identifier: Apache-2.0
#include "balancer/round_robin.hpp"

#include <algorithm>
#include <utility>

namespace balancer {

bool RoundRobin::is_later(const Turn& a, const Turn& b) noexcept {
  return a.due != b.due ? a.due > b.due : a.id > b.id;
}

void RoundRobin::adopt(std::span<const Candidate> candidates) {
  const auto has_less_id = [](const Turn& a, const Turn& b) { return a.id < b.id; };
  std::sort(turns_.begin(), turns_.end(), has_less_id);
  const std::vector<Turn> before = std::exchange(turns_, {});
  turns_.reserve(candidates.size());
  passed_.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Turn turn{.due = round_ + 1 / candidates[i].weight, .id = candidates[i].id, .index = i};
    const auto known = std::lower_bound(before.begin(), before.end(), turn, has_less_id);
    if (known != before.end() && known->id == turn.id) {
      turn.due = known->due;
    }
    turns_.push_back(turn);
  }
  std::make_heap(turns_.begin(), turns_.end(), is_later);
}

std::optional<std::size_t> RoundRobin::pick(const Selection& selection) {
  passed_.clear();
  std::optional<std::size_t> chosen;
  while (!chosen && !turns_.empty()) {
    std::pop_heap(turns_.begin(), turns_.end(), is_later);
    passed_.push_back(turns_.back());
    turns_.pop_back();
    if (selection.allows(passed_.back().index)) {
      chosen = passed_.back().index;
      round_ = passed_.back().due;
    }
  }
  for (Turn& turn : passed_) {
    if (chosen) {
      turn.due = std::max(turn.due, round_) + 1 / selection.candidates[turn.index].weight;
    }
    turns_.push_back(turn);
    std::push_heap(turns_.begin(), turns_.end(), is_later);
  }
  return chosen;
}

}  // namespace balancer
