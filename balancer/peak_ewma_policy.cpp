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

/// `load` multiplies it.
Cost cost_of(const Candidate& candidate, double load, TimePoint now, Nanoseconds unknown_rtt) {
  const Nanoseconds rtt = candidate.latency->estimate(now).value_or(unknown_rtt);
  // At least one: failures that do not count yet may be all that is known.
  const double rtt_ns = std::max(static_cast<double>(rtt.count()), 1.0);
  return {.log_cost = std::log(rtt_ns * load),
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

bool PeakEwmaPolicy::is_better(const Candidate& second,
                               const Candidate& first,
                               double mean_weight,
                               TimePoint now) {
  if (is_untried(second, now) || is_untried(first, now)) {
    return is_untried(second, now);
  }
  const bool is_second_less_busy = is_less_busy(second, first);
  const bool are_busy_alike = !is_second_less_busy && !is_less_busy(first, second);
  const auto load_of = [&](const Candidate& candidate) {
    return are_busy_alike ? 1 : 1 + candidate.in_flight * mean_weight / candidate.weight;
  };
  const Cost cost = cost_of(second, load_of(second), now, unknown_rtt_);
  const Cost cost_of_first = cost_of(first, load_of(first), now, unknown_rtt_);
  const bool is_noise = std::abs(cost.log_cost - cost_of_first.log_cost) <=
                        std::max(cost.spread, cost_of_first.spread);
  if (is_noise && !are_busy_alike) {
    return is_second_less_busy;
  }
  if (is_noise && second.weight != first.weight) {
    return false;  // they were drawn by weight
  }
  if (is_noise && second.latency->updated_at() != first.latency->updated_at()) {
    return second.latency->updated_at() < first.latency->updated_at();
  }
  const bool is_cheaper = cost.log_cost < cost_of_first.log_cost;
  if (!is_noise && deserves_look(is_cheaper ? first : second, now)) {
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
  return is_better(selection.candidates[second],
                   selection.candidates[first],
                   selection.mean_weight(),
                   now)
             ? second
             : first;
}

}  // namespace balancer
