// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

namespace balancer {

/// Reply time assumed of an endpoint while no endpoint of its Service has been measured.
inline constexpr Nanoseconds kUnmeasuredRtt = std::chrono::milliseconds{30};

/// Latency estimate that rises fast and falls slowly, with what failures cost.
///
/// A slow reply must repel traffic soon; a fast one may only slowly attract it back. Otherwise one
/// lucky reply sends a burst to an endpoint that is still ill. How fast the estimate moves depends
/// on what speaks for it: a slow reply counts in full if the endpoint was last heard of a tenth of
/// the decay time ago or earlier, and by the share of that time which it stands for under load (on
/// a scale of ratios); a fast one takes three times as long, and never counts more than by half. So
/// a stray reply among hundreds does not take an endpoint out of service.
///
/// Failures are kept apart: they add what they cost in the mean, so that an endpoint which answers
/// fast and fails half of the time is as dear as one that takes half a second, and the good half
/// does not look like noise of the bad one.
///
/// `spread` tells how far single replies lie from the estimate, so that `PeakEwmaPolicy` can tell a
/// difference from noise.
/// Source: Finagle's `PeakEwma`; damping, failures and spread are nodeway's own, see
/// balancer/README.md.
class PeakEwma {
 public:
  /// A failure counts like a reply after so long: as slow as the slowest endpoint one would keep.
  static constexpr Nanoseconds kFailureCharge = std::chrono::seconds{1};

  /// `decay`: time in which an estimate left alone falls to 37 % (1/e). Greater than zero.
  explicit PeakEwma(Nanoseconds decay) noexcept : decay_{decay} {}

  /// Records one reply time. Samples older than the newest one seen are ignored.
  void observe(Nanoseconds rtt, TimePoint now) noexcept;

  /// Records a failure of the endpoint (not of the request) after `rtt`, which costs as much as a
  /// reply after `kFailureCharge` at least. Neither spread nor reply times hear of it.
  void observe_failure(Nanoseconds rtt, TimePoint now) noexcept;

  /// Records that a reply had not come after `waited`, when its caller gave up. An endpoint that
  /// hangs must not look the better, the less its callers wait. Counts as a reply after
  /// `waited`, `kFailureCharge` at most, where that is worse than the estimate.
  void observe_silence(Nanoseconds waited, TimePoint now) noexcept;

  /// The mean cost of a request as of `now`: time to the reply, and failures; `nullopt` until the
  /// first sample. Does not change the state, so reading it for a pick that is then abandoned has
  /// no effect on later picks.
  [[nodiscard]] std::optional<Nanoseconds> estimate(TimePoint now) const noexcept;

  /// How far single replies have lain from the estimate lately, up or down: the mean of
  /// |ln(reply / estimate)|. Wide after the first sample, which says little.
  [[nodiscard]] double spread() const noexcept { return spread_; }

  /// Time of the newest sample, reply or failure; the epoch until the first.
  [[nodiscard]] TimePoint updated_at() const noexcept { return updated_at_.value_or(TimePoint{}); }

 private:
  [[nodiscard]] bool is_outdated(TimePoint now) const noexcept;
  [[nodiscard]] double share_of(double part_of_decay, TimePoint now) const noexcept;
  [[nodiscard]] double kept_since_last(TimePoint now) const noexcept;
  void absorb_reply(double rtt_ns, TimePoint now) noexcept;

  Nanoseconds decay_;
  double reply_ns_ = 0;    ///< estimate of the time to a reply; 0 until there was one
  double failure_ns_ = 0;  ///< what failures cost, in the mean of all requests
  double spread_ = 0;
  std::optional<TimePoint> updated_at_;
};

/// Median estimate of those candidates that have one, `kUnmeasuredRtt` if none has: the
/// reply time
/// assumed of one that has none. O(n) and allocates, so it is for now and then, not for every
/// pick.
[[nodiscard]] Nanoseconds typical_rtt(std::span<const Candidate> candidates, TimePoint now);

}  // namespace balancer
