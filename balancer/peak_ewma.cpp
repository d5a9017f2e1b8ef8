// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace balancer {
namespace {

/// Part of the decay time in which slow replies, if nothing else comes, move the estimate all the
/// way. A second at the default: long enough to outvote a stray, short enough to leave an endpoint
/// that turned slow before people notice.
constexpr double kRiseShare = 0.1;

/// The same of fast replies: three seconds at the default. An endpoint that has become well is back
/// within seconds, one that is well now and then is not.
constexpr double kFallShare = 0.3;

/// How much a single fast reply, or a single good one after failures, may count: of an endpoint
/// that is seldom asked it takes several to believe it.
constexpr double kMostFall = 0.5;

/// What failures may cost before they count: two in a hundred. A pod under load has a stray failure
/// as it has a stray slow reply.
constexpr double kFailuresFreeNs =
    0.02 * std::chrono::nanoseconds{PeakEwma::kFailureCharge}.count();

/// Spread after one sample, as a ratio of 20: a first reply often pays for a cold start.
constexpr double kFirstSpread = 3.0;

/// Below the resolution of what is measured; keeps the logarithm finite.
constexpr double kLeastRttNs = 1000;

double to_ns(Nanoseconds duration) noexcept {
  return static_cast<double>(duration.count());
}

}  // namespace

bool PeakEwma::is_outdated(TimePoint now) const noexcept {
  return updated_at_ && now < *updated_at_;
}

/// The share of so long a part of the decay time that a sample at `now` stands for.
double PeakEwma::share_of(double part_of_decay, TimePoint now) const noexcept {
  return updated_at_ ? std::min(1.0, to_ns(now - *updated_at_) / (part_of_decay * to_ns(decay_)))
                     : 1.0;
}

double PeakEwma::kept_since_last(TimePoint now) const noexcept {
  const bool has_aged = updated_at_ && !is_outdated(now);
  return has_aged ? std::exp(-to_ns(now - *updated_at_) / to_ns(decay_)) : 1.0;
}

void PeakEwma::observe(Nanoseconds rtt, TimePoint now) noexcept {
  if (is_outdated(now)) {
    return;
  }
  absorb_reply(std::max(to_ns(rtt), kLeastRttNs), now);
  failure_ns_ *= std::min(1 - std::min(share_of(kRiseShare, now), kMostFall), kept_since_last(now));
  updated_at_ = now;
}

void PeakEwma::absorb_reply(double rtt_ns, TimePoint now) noexcept {
  if (reply_ns_ == 0) {
    spread_ = kFirstSpread;
    reply_ns_ = rtt_ns;
    return;
  }
  // Against the estimate as it was: a reply that contradicts it widens the spread, up or down.
  const double deviation = std::log(rtt_ns / reply_ns_);
  spread_ += share_of(kRiseShare, now) * (std::abs(deviation) - spread_);
  if (deviation > 0) {
    reply_ns_ *= std::exp(deviation * share_of(kRiseShare, now));
  } else {
    const double fallen =
        reply_ns_ * std::exp(deviation * std::min(share_of(kFallShare, now), kMostFall));
    // After a silence it has fallen already, and a fast reply must not raise it again.
    reply_ns_ = std::min(fallen, std::max(reply_ns_ * kept_since_last(now), rtt_ns));
  }
}

void PeakEwma::observe_failure(Nanoseconds rtt, TimePoint now) noexcept {
  if (!is_outdated(now)) {
    const double charge_ns = to_ns(std::max(rtt, kFailureCharge));
    failure_ns_ += share_of(kRiseShare, now) * (charge_ns - failure_ns_);
    updated_at_ = now;
  }
}

void PeakEwma::observe_silence(Nanoseconds waited, TimePoint now) noexcept {
  const Nanoseconds at_least = std::min(waited, kFailureCharge);
  if (const auto known = estimate(now); !known || at_least > *known) {
    observe(at_least, now);
  }
}

std::optional<Nanoseconds> PeakEwma::estimate(TimePoint now) const noexcept {
  if (!updated_at_) {
    return std::nullopt;
  }
  const double kept = kept_since_last(now);
  const double failures_ns = std::max(0.0, failure_ns_ * kept - kFailuresFreeNs);
  return Nanoseconds{std::llround(reply_ns_ * kept + failures_ns)};
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
