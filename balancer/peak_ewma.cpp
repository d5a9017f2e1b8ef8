// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace balancer {
namespace {

/// Part of the decay time in which slow replies, if nothing else comes, move the estimate all the
/// way. A second at the default: long enough to outvote a stray, short enough to leave an endpoint
/// that turned slow before people notice.
constexpr double kRiseShare = 0.1;

/// Spread after one sample, as a ratio of 20: a first reply often pays for a cold start.
constexpr double kFirstSpread = 3.0;

/// Ratio of costs that is never a difference, however steady the replies: 1.2. Equal pods on unlike
/// cores differ by as much for ever.
constexpr double kLeastSpread = 0.182;

/// Below the resolution of what is measured; keeps the logarithm finite.
constexpr double kLeastRttNs = 1000;

double to_ns(Nanoseconds duration) noexcept {
  return static_cast<double>(duration.count());
}

struct Cost {
  double log_cost;
  double spread;
};

Cost cost_of(const Candidate& candidate, TimePoint now, Nanoseconds unknown_rtt) noexcept {
  const auto estimate = candidate.latency->estimate(now);
  const double rtt_ns = std::max(to_ns(estimate.value_or(unknown_rtt)), kLeastRttNs);
  return {.log_cost = std::log(rtt_ns * (1.0 + candidate.in_flight)),
          .spread = std::max(candidate.latency->spread(), kLeastSpread)};
}

bool is_untried(const Candidate& candidate, TimePoint now) noexcept {
  return candidate.in_flight == 0 && !candidate.latency->estimate(now);
}

bool is_better(const Candidate& a,
               const Candidate& b,
               TimePoint now,
               Nanoseconds unknown_rtt) noexcept {
  if (is_untried(a, now) || is_untried(b, now)) {
    return is_untried(a, now);
  }
  const Cost cost_a = cost_of(a, now, unknown_rtt);
  const Cost cost_b = cost_of(b, now, unknown_rtt);
  const bool is_noise =
      std::abs(cost_a.log_cost - cost_b.log_cost) <= std::max(cost_a.spread, cost_b.spread);
  if (is_noise && a.in_flight != b.in_flight) {
    return a.in_flight < b.in_flight;
  }
  if (is_noise && a.latency->updated_at() != b.latency->updated_at()) {
    return a.latency->updated_at() < b.latency->updated_at();
  }
  return cost_a.log_cost < cost_b.log_cost;
}

}  // namespace

bool PeakEwma::is_outdated(TimePoint now) const noexcept {
  return updated_at_ && now < *updated_at_;
}

double PeakEwma::share_of_a_rise(TimePoint now) const noexcept {
  return std::min(1.0, to_ns(now - *updated_at_) / (kRiseShare * to_ns(decay_)));
}

void PeakEwma::observe(Nanoseconds rtt, TimePoint now) noexcept {
  if (is_outdated(now)) {
    return;
  }
  const double rtt_ns = std::max(to_ns(rtt), kLeastRttNs);
  if (!updated_at_) {
    spread_ = kFirstSpread;
  } else {
    // Against the estimate as it was: a reply that contradicts it widens the spread, up or down.
    spread_ += share_of_a_rise(now) * (std::abs(std::log(rtt_ns / value_ns_)) - spread_);
  }
  absorb(rtt_ns, now);
}

void PeakEwma::observe_failure(Nanoseconds rtt, TimePoint now) noexcept {
  if (!is_outdated(now)) {
    absorb(to_ns(std::max(rtt, kFailureCharge)), now);
  }
}

void PeakEwma::observe_silence(Nanoseconds waited, TimePoint now) noexcept {
  const Nanoseconds at_least = std::min(waited, kFailureCharge);
  if (const auto known = estimate(now); !known || at_least > *known) {
    observe(at_least, now);
  }
}

void PeakEwma::absorb(double rtt_ns, TimePoint now) noexcept {
  if (!updated_at_) {
    value_ns_ = rtt_ns;
  } else if (rtt_ns > value_ns_) {
    value_ns_ *= std::pow(rtt_ns / value_ns_, share_of_a_rise(now));
  } else {
    const double kept = std::exp(-to_ns(now - *updated_at_) / to_ns(decay_));
    value_ns_ = value_ns_ * kept + rtt_ns * (1 - kept);
  }
  updated_at_ = now;
}

std::optional<Nanoseconds> PeakEwma::estimate(TimePoint now) const noexcept {
  if (!updated_at_) {
    return std::nullopt;
  }
  const double age_ns = is_outdated(now) ? 0 : to_ns(now - *updated_at_);
  return Nanoseconds{std::llround(value_ns_ * std::exp(-age_ns / to_ns(decay_)))};
}

std::optional<std::size_t> pick_peak_ewma(const Selection& selection,
                                          TimePoint now,
                                          Nanoseconds unknown_rtt,
                                          Rng& rng) noexcept {
  const auto drawn = draw_two(selection, rng);
  if (!drawn) {
    return std::nullopt;
  }
  const auto [first, second] = *drawn;
  const auto& candidates = selection.candidates;
  return is_better(candidates[second], candidates[first], now, unknown_rtt) ? second : first;
}

Nanoseconds typical_rtt(std::span<const Candidate> candidates, TimePoint now) {
  std::vector<Nanoseconds> estimates;
  for (const Candidate& candidate : candidates) {
    if (const auto estimate = candidate.latency->estimate(now)) {
      estimates.push_back(*estimate);
    }
  }
  if (estimates.empty()) {
    return kUnmeasuredRtt;
  }
  const auto middle = estimates.begin() + static_cast<std::ptrdiff_t>(estimates.size() / 2);
  std::nth_element(estimates.begin(), middle, estimates.end());
  return *middle;
}

}  // namespace balancer
