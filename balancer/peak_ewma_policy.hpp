// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"
#include "balancer/peak_ewma.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace balancer {

/// Power of two choices by peak EWMA: the cheaper of two distinct candidates, drawn by weight.
///
/// The cost is `estimate * (in_flight + 1)`, where what is in flight counts by the weight, as a
/// multiple of the mean, and is left out if neither is less busy (`is_less_busy`). An endpoint with
/// no sample and nothing in flight wins when drawn, or it would never get a sample; while its first
/// request is out it costs the median estimate of the others. Costs whose ratio is within the
/// spread of the replies do not differ: then the less busy one wins, else the endpoint that was
/// heard of longer ago, and only between those that are equal in this too does the cost decide. So
/// noise never starves one of several equal endpoints. Of endpoints whose weights differ, the first
/// drawn takes the place of the one heard of longer ago: so those that are as fast get shares by
/// their weights, while one that is slow gets less than its share, whatever it weighs.
///
/// The dearer one gets a request now and then all the same, one at a time: it is how the router
/// learns that an endpoint has become well.
/// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
class PeakEwmaPolicy {
 public:
  /// One choice in so many may be such a second look: a caller's p99 never shows it.
  static constexpr std::uint32_t kPicksBetweenLooks = 250;
  /// And only at an endpoint that was not heard of for so long, and for so many times its estimate:
  /// one that lets callers wait for a second is left alone for five.
  static constexpr std::chrono::seconds kLeastRest{1};
  static constexpr int kRestTimesEstimate = 5;
  /// How long the median of all estimates is taken for what it was. It is the only part of a choice
  /// that looks at every endpoint.
  static constexpr std::chrono::milliseconds kMedianAge{100};

  /// Returns an index into the candidates, or `nullopt` if none may be chosen. O(1), O(log n) where
  /// weights differ, but for the median.
  [[nodiscard]] std::optional<std::size_t> pick(const Selection& selection,
                                                TimePoint now,
                                                Rng& rng);

 private:
  /// Whether `second`, which was drawn after `first`, is to be preferred to it.
  [[nodiscard]] bool is_better(const Candidate& second,
                               const Candidate& first,
                               double mean_weight,
                               TimePoint now);
  [[nodiscard]] bool deserves_look(const Candidate& dearer, TimePoint now) const;

  std::uint32_t picks_since_look_ = 0;
  Nanoseconds unknown_rtt_ = kUnmeasuredRtt;
  TimePoint unknown_rtt_until_{};
};

}  // namespace balancer
