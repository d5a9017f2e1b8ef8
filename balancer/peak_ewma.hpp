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

/// Latency estimate that rises fast and decays down exponentially.
///
/// A slow reply must repel traffic soon; a fast one may only slowly attract it back. Otherwise one
/// lucky reply sends a burst to an endpoint that is still ill. How fast it rises depends on what
/// speaks against it: a slow reply counts in full if the endpoint was last heard of a tenth of the
/// decay time ago or earlier, and by the share of that time which it stands for under load (on a
/// scale of ratios). So a stray reply among hundreds does not take an endpoint out of service.
///
/// `spread` tells how far single replies lie from the estimate, so that
/// `pick_peak_ewma` can tell a difference from noise.
/// Source: Finagle's `PeakEwma`; damping and spread are nodeway's own, see balancer/README.md.
class PeakEwma {
 public:
  /// A failure counts like a reply after so long: as slow as the slowest endpoint one would keep.
  static constexpr Nanoseconds kFailureCharge = std::chrono::seconds{1};

  /// `decay`: time in which an estimate left alone falls to 37 % (1/e). Greater than zero.
  explicit PeakEwma(Nanoseconds decay) noexcept : decay_{decay} {}

  /// Records one reply time. Samples older than the newest one seen are ignored.
  void observe(Nanoseconds rtt, TimePoint now) noexcept;

  /// Records a failure of the endpoint (not of the request) after `rtt`, as a reply that took
  /// `kFailureCharge` at least. It does not widen the spread: a failure is never noise.
  void observe_failure(Nanoseconds rtt, TimePoint now) noexcept;

  /// Records that a reply had not come after `waited`, when its caller gave up. An endpoint that
  /// hangs must not look the better, the less its callers wait. Counts as a reply after
  /// `waited`, `kFailureCharge` at most, where that is worse than the estimate.
  void observe_silence(Nanoseconds waited, TimePoint now) noexcept;

  /// The estimate as of `now`; `nullopt` until the first sample. Does not change the state, so
  /// reading it for a pick that is then abandoned has no effect on later picks.
  [[nodiscard]] std::optional<Nanoseconds> estimate(TimePoint now) const noexcept;

  /// How far single replies have lain from the estimate lately, up or down: the mean of
  /// |ln(reply / estimate)|. Wide after the first sample, which says little.
  [[nodiscard]] double spread() const noexcept { return spread_; }

  /// Time of the newest sample; the epoch until the first.
  [[nodiscard]] TimePoint updated_at() const noexcept { return updated_at_.value_or(TimePoint{}); }

 private:
  [[nodiscard]] bool is_outdated(TimePoint now) const noexcept;
  [[nodiscard]] double share_of_a_rise(TimePoint now) const noexcept;
  void absorb(double rtt_ns, TimePoint now) noexcept;

  Nanoseconds decay_;
  double value_ns_ = 0;
  double spread_ = 0;
  std::optional<TimePoint> updated_at_;
};

/// Power of two choices: the cheaper of two distinct random candidates.
///
/// The cost is `estimate * (in_flight + 1)`. An endpoint with no sample and nothing in flight wins
/// when drawn, or it would never get a sample; while its first request is out it costs
/// `unknown_rtt` (see `typical_rtt`). Costs whose ratio is within the spread of the replies do not
/// differ: then fewer requests in flight win, else the endpoint that was heard of longer ago, and
/// only between those that are equal in this too does the cost decide. So noise never starves one
/// of several equal endpoints.
/// Returns an index into the candidates, or `nullopt` if none may be chosen. O(1), allocates
/// nothing.
/// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
[[nodiscard]] std::optional<std::size_t> pick_peak_ewma(const Selection& selection,
                                                        TimePoint now,
                                                        Nanoseconds unknown_rtt,
                                                        Rng& rng) noexcept;

/// Median estimate of those candidates that have one, `kUnmeasuredRtt` if none has: the
/// `unknown_rtt` of `pick_peak_ewma`. O(n) and allocates, so it is for now and then, not for every
/// pick.
[[nodiscard]] Nanoseconds typical_rtt(std::span<const Candidate> candidates, TimePoint now);

}  // namespace balancer
