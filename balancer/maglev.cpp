// SPDX-License-Identifier: Apache-2.0
#include "balancer/maglev.hpp"

#include "balancer/load_bound.hpp"
#include "balancer/stable_hash.hpp"

#include <algorithm>
#include <limits>

namespace balancer {
namespace {

constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();

/// The order in which one endpoint asks for places: all of them, since their number is a prime.
struct Wishes {
  std::uint64_t hash;
  std::uint32_t index;
  std::size_t next;
  std::size_t step;
  double turns_each_round;  ///< 1 of the heaviest
  double turns = 0;         ///< that it has not taken yet
};

std::vector<Wishes> wishes_of(std::span<const Candidate> candidates) {
  double heaviest = 0;
  for (const Candidate& candidate : candidates) {
    heaviest = std::max(heaviest, candidate.fixed_weight);
  }
  std::vector<Wishes> all;
  all.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint64_t hash = candidates[i].hash;
    all.push_back({.hash = hash,
                   .index = static_cast<std::uint32_t>(i),
                   .next = hash % Maglev::kPlaces,
                   .step = scatter(hash) % (Maglev::kPlaces - 1) + 1,
                   .turns_each_round = candidates[i].fixed_weight / heaviest});
  }
  // The first to ask has the better places, so every router must let them ask in the same order.
  std::sort(
      all.begin(), all.end(), [](const Wishes& a, const Wishes& b) { return a.hash < b.hash; });
  return all;
}

}  // namespace

void Maglev::adopt(std::span<const Candidate> candidates) {
  places_.assign(candidates.empty() ? 0 : kPlaces, kFree);
  std::vector<Wishes> all = wishes_of(candidates);
  std::size_t i = 0;
  for (std::size_t n_taken = 0; n_taken < places_.size(); ++i) {
    // Whoever weighs half as much as the heaviest has a turn in every second round.
    Wishes& one = all[i % all.size()];
    one.turns += one.turns_each_round;
    if (one.turns < 1) {
      continue;
    }
    one.turns -= 1;
    ++n_taken;
    while (places_[one.next] != kFree) {
      one.next = (one.next + one.step) % kPlaces;
    }
    places_[one.next] = one.index;
  }
}

std::optional<std::size_t> Maglev::pick(const Selection& selection,
                                        std::uint64_t key,
                                        double most_in_flight) const noexcept {
  return first_with_room(selection, most_in_flight, places_.size(), [&](std::size_t i) {
    return places_[(key + i) % kPlaces];
  });
}

}  // namespace balancer
