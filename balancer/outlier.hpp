// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace balancer {

/// What took an endpoint out of the choice.
enum class EjectionCause : std::uint8_t {
  connect,       ///< it could not be connected: certain, so one is enough
  consecutive,   ///< failures in a row
  success_rate,  ///< it fails more often than the others
  latency,       ///< it replies more slowly than the others
};

/// When endpoints are ejected, and for how long.
struct EjectionRules {
  std::uint32_t consecutive;     ///< failures in a row; 0: they eject nobody
  bool by_success_rate;          ///< compares how often endpoints fail
  std::uint32_t latency_factor;  ///< times as slow as the others, above 1; 0: not compared
  Nanoseconds min_penalty;       ///< of the first ejection; each further one lasts twice as long
  Nanoseconds max_penalty;       ///< at least `min_penalty`
  std::uint32_t max_percent;     ///< of the endpoints, that verdicts may eject at a time
  std::uint32_t panic_percent;   ///< with fewer than these left all are used; 0: never
};

/// What speaks against one endpoint, and whether it may be chosen. Kept by `Outliers`.
///
///     in service --ejected--> penalty --over--> awaits its probe --success--> in service
///                                ^                      |
///                                +------- failure ------+  (twice as long)
///
/// Beside that it may be left alone for a time that it asked for itself.
class Health {
 public:
  /// Out of the choice: in its penalty, or until its probe has succeeded.
  [[nodiscard]] bool is_ejected() const noexcept { return cause_.has_value(); }
  /// What it was last ejected for, while it is.
  [[nodiscard]] std::optional<EjectionCause> cause() const noexcept { return cause_; }
  [[nodiscard]] bool is_unreachable() const noexcept { return cause_ == EjectionCause::connect; }
  [[nodiscard]] bool is_left_alone(TimePoint now) const noexcept { return now < alone_until_; }
  /// The end of the time that it asked to be spared for; long ago, if it never has.
  [[nodiscard]] TimePoint alone_until() const noexcept { return alone_until_; }

  /// It asked to be spared for that time: sends nothing there while another endpoint is left. A
  /// shorter time than one that is running has no effect.
  void leave_alone(Nanoseconds duration, TimePoint now) noexcept;

 private:
  friend class Outliers;

  /// What has ended there since the last comparison.
  struct Window {
    std::uint32_t replies = 0;
    std::uint32_t failures = 0;
    double log_rtt_sum = 0;  ///< of the replies; their logarithms, so that a stray one tells little
  };

  std::optional<EjectionCause> cause_;
  std::uint32_t failures_in_row_ = 0;
  std::uint32_t ejections_ = 0;  ///< those that are not forgiven yet: doublings of the penalty
  Nanoseconds penalty_{};        ///< the last one
  TimePoint penalty_ends_;       ///< or, of one in service, when it came back
  std::optional<TimePoint> probe_at_;  ///< when the probe was sent that is under way
  double slow_above_ns_ = 0;           ///< of one ejected for its latency
  TimePoint alone_until_;
  Window window_;
};

/// What is decided about one endpoint, so that others who choose from the same can take it over.
struct Verdict {
  std::optional<EjectionCause> cause;  ///< nothing: in service
  std::uint32_t ejections = 0;         ///< those that are not forgiven yet
  TimePoint penalty_ends;              ///< or, of one in service, when it came back
  double slow_above_ns = 0;            ///< of one ejected for its latency
};

/// One endpoint that has just been ejected.
struct Ejection {
  std::size_t index;
  EjectionCause cause;
  Nanoseconds penalty;
};

/// How far down one has to go to find an endpoint: each takes what the one before it does not.
enum class Resort : std::uint8_t {
  in_service,  ///< neither ejected nor left alone
  reachable,   ///< any that can be connected; without panic none that a verdict has ejected
  any,         ///< also those that could not be connected
};

/// Ejection: takes endpoints that fail, or reply much more slowly than the others, out of the
/// choice for a while.
///
/// A verdict (any cause but `connect`) is passed only where it does little harm if it is wrong: on
/// at most `max_percent` of the endpoints (rounded down) and never on the last one in service. That
/// an endpoint cannot be connected is no verdict but a fact, and not bounded; where no other is
/// left it is tried all the same.
///
/// The penalty doubles with each ejection, plus up to half of it at random, so that routers do not
/// come back in step; it is forgiven by one doubling for every `kForgiveness` in service. When it
/// is over one request, the probe, goes to the endpoint; the others follow once that has succeeded.
///
/// With fewer than `panic_percent` of the reachable endpoints in service all of them are used: that
/// many do not fail by themselves, and those that are left would only be buried.
///
/// O(1) for an outcome, but for an ejection and, every `kInterval`, the comparison: O(n).
/// Source: gRFC A50 (interval, factor of the deviation); linkerd2's failure accrual (penalty).
class Outliers {
 public:
  /// Between two comparisons. Source: gRFC A50, `interval`.
  static constexpr Nanoseconds kInterval = std::chrono::seconds{10};
  /// Outcomes of an endpoint in the interval, without which it is not compared: half of gRFC A50's
  /// `request_volume`, since each worker sees but a part of them.
  static constexpr std::uint32_t kMinVolume = 50;
  /// Others that an endpoint is compared with, at least: two may disagree, one says nothing.
  static constexpr std::size_t kMinOthers = 2;
  /// An outlier lies so many deviations from the mean of the others. Source: gRFC A50,
  /// `stdev_factor`.
  static constexpr double kDeviations = 1.9;
  /// Least deviation of success rates: others that never fail would make one failure an outlier.
  static constexpr double kLeastRateDeviation = 0.05;
  /// What an endpoint must be slower by, in all: less is not worth losing it.
  static constexpr Nanoseconds kLeastSlowness = std::chrono::milliseconds{5};
  /// Longer than the interval, or an endpoint that the comparison ejects every time would be
  /// forgiven each time before.
  static constexpr Nanoseconds kForgiveness = std::chrono::seconds{30};
  static constexpr double kJitter = 0.5;  ///< of the penalty, that is added at most

  Outliers(const EjectionRules& rules, std::uint32_t seed) noexcept : rules_{rules}, rng_{seed} {}

  /// Other rules. Penalties under way stay as they are.
  void apply(const EjectionRules& rules) noexcept { rules_ = rules; }
  /// From here on these are the endpoints, in this order; they outlive their use. O(n).
  void adopt(std::vector<Health*> endpoints);

  /// A reply that speaks for the endpoint, to a request of `sent_at`, after `rtt`. True if it was
  /// the probe's, and the endpoint is in service again.
  bool on_success(std::size_t index, TimePoint sent_at, Nanoseconds rtt, TimePoint now) noexcept;
  /// A failure of the endpoint, with a request of `sent_at`. `in_row`: how many there have been in
  /// a row, this one included, where others see some of them; nothing: those that were told here.
  std::optional<Ejection> on_failure(std::size_t index,
                                     TimePoint sent_at,
                                     TimePoint now,
                                     std::optional<std::uint32_t> in_row = std::nullopt);
  std::optional<Ejection> on_connect_failed(std::size_t index, TimePoint now);
  /// True if the endpoint was ejected for not being connected, and is in service again.
  bool on_connected(std::size_t index, TimePoint now) noexcept;
  /// A request of `sent_at` ended without telling anything of the endpoint: if it was the probe,
  /// another one is due.
  void on_nothing_learnt(std::size_t index, TimePoint sent_at, TimePoint now) noexcept;

  /// Compares the endpoints with each other if `kInterval` has passed. Those that it ejects.
  [[nodiscard]] std::vector<Ejection> compare(TimePoint now);

  /// An endpoint whose penalty is over and that has no probe under way. One whose probe is under
  /// way for as long as its last penalty is due again: a probe that hangs tells nothing. O(1) while
  /// none is due.
  [[nodiscard]] std::optional<std::size_t> due_probe(TimePoint now) const noexcept;
  /// A request is sent there as its probe.
  void begin_probe(std::size_t index, TimePoint now) noexcept;

  [[nodiscard]] Verdict verdict(std::size_t index) const noexcept;
  /// Somebody else has decided this, whatever the bounds are here. A probe that was sent from here
  /// may still bring the endpoint back.
  void take_over(std::size_t index, const Verdict& verdict) noexcept;

  [[nodiscard]] std::size_t n_ejected() const noexcept { return n_verdicts_ + n_unreachable_; }
  /// True while no endpoint is ejected.
  [[nodiscard]] bool are_all_in_service() const noexcept {
    return n_verdicts_ + n_unreachable_ == 0;
  }
  /// Too few are left: `Resort::in_service` is to be passed over.
  [[nodiscard]] bool is_panic() const noexcept;
  [[nodiscard]] bool admits(std::size_t index, Resort resort, TimePoint now) const noexcept;

 private:
  /// How an endpoint did in the interval; a greater value is worse.
  struct Standing {
    std::size_t index;
    double value;
  };

  /// Whether a request of `sent_at` is the probe, or was sent after it.
  [[nodiscard]] static bool is_probe(const Health& health, TimePoint sent_at) noexcept;
  [[nodiscard]] bool may_pass_verdict() const noexcept;
  [[nodiscard]] double base_penalty_ns(std::uint32_t ejections) const noexcept;
  Ejection eject(std::size_t index, EjectionCause cause, TimePoint now);
  void reinstate(Health& health, TimePoint now) noexcept;
  void count() noexcept;
  /// `limit(mean, deviation)` of the others, above which a value is an outlier.
  template <class Limit>
  void eject_outliers(std::vector<Standing> standings,
                      EjectionCause cause,
                      TimePoint now,
                      std::vector<Ejection>& ejected,
                      const Limit& limit);
  void compare_success_rates(TimePoint now, std::vector<Ejection>& ejected);
  void compare_latencies(TimePoint now, std::vector<Ejection>& ejected);

  EjectionRules rules_;
  Rng rng_;
  std::vector<Health*> endpoints_;
  std::size_t n_verdicts_ = 0;
  std::size_t n_unreachable_ = 0;
  TimePoint next_probe_at_ = TimePoint::max();
  std::optional<TimePoint> next_comparison_at_;
};

}  // namespace balancer
