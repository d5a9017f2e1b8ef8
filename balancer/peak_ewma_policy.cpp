// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma_policy.hpp"

#include <algorithm>
#include <cmath>

namespace balancer {
namespace {

/// Ratio of costs that is never a difference, however steady the replies: 1.2. Equal pods on unlike
/// cores differ by as much for ever.
constexpr double kLeastSpread = 0.182;

struct Cost {
  double log_cost;
  double spread;
};

Cost cost_of(const Candidate& candidate, TimePoint now, Nanoseconds unknown_rtt) {
  const Nanoseconds rtt = candidate.latency->estimate(now).value_or(unknown_rtt);
  // At least one: failures that do not count yet may be all that is known.
  const double rtt_ns = std::max(static_cast<double>(rtt.count()), 1.0);
  return {.log_cost = std::log(rtt_ns * (1.0 + candidate.in_flight)),
          .spread = std::max(candidate.latency->spread(), kLeastSpread)};
}

bool is_untried(const Candidate& candidate, TimePoint now) {
  return candidate.in_flight == 0 && !candidate.latency->estimate(now);
}

}  // namespace

bool PeakEwmaPolicy::deserves_look(const Candidate& dearer, TimePoint now) const {
  const Nanoseconds rest = std::max<Nanoseconds>(
      kLeastRest, kRestTimesEstimate * dearer.latency->estimate(now).value_or(Nanoseconds{0}));
  return picks_since_look_ > kPicksBetweenLooks && dearer.in_flight == 0 &&
         now - dearer.latency->updated_at() > rest;
}

bool PeakEwmaPolicy::is_better(const Candidate& a, const Candidate& b, TimePoint now) {
  if (is_untried(a, now) || is_untried(b, now)) {
    return is_untried(a, now);
  }
  const Cost cost_a = cost_of(a, now, unknown_rtt_);
  const Cost cost_b = cost_of(b, now, unknown_rtt_);
  const bool is_noise =
      std::abs(cost_a.log_cost - cost_b.log_cost) <= std::max(cost_a.spread, cost_b.spread);
  if (is_noise && a.in_flight != b.in_flight) {
    return a.in_flight < b.in_flight;
  }
  if (is_noise && a.latency->updated_at() != b.latency->updated_at()) {
    return a.latency->updated_at() < b.latency->updated_at();
  }
  const bool is_cheaper = cost_a.log_cost < cost_b.log_cost;
  if (!is_noise && deserves_look(is_cheaper ? b : a, now)) {
    picks_since_look_ = 0;
    return !is_cheaper;
  }
  return is_cheaper;
}

std::optional<std::size_t> PeakEwmaPolicy::pick(const Selection& selection,
                                                TimePoint now,
                                                Rng& rng) {
  const auto drawn = draw_two(selection, rng);
  if (!drawn) {
    return std::nullopt;
  }
  if (now >= unknown_rtt_until_) {
    unknown_rtt_ = typical_rtt(selection.candidates, now);
    unknown_rtt_until_ = now + kMedianAge;
  }
  ++picks_since_look_;
  const auto [first, second] = *drawn;
  return is_better(selection.candidates[second], selection.candidates[first], now) ? second : first;
}

}  // namespace balancer
