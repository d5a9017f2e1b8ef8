// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/peak_ewma.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace balancer {

/// How a call ended that had a deadline.
enum class CallEnd : std::uint8_t {
  quick,     ///< its reply came within a tenth of the time that it had
  in_time,   ///< it came later
  late,      ///< the deadline came first
  no_reply,  ///< before either: it failed, or its caller gave it up
};

/// What became of calls from one look at them to the next.
struct CallWindow {
  std::uint32_t n_ended = 0;
  std::uint32_t n_late = 0;
  std::uint32_t n_quick = 0;
  /// Callers with calls that have ended: those who are not served, for `kLateShare`, and the
  /// others.
  std::uint32_t n_late_callers = 0;
  std::uint32_t n_served_callers = 0;
  std::uint32_t most_under_way = 0;  ///< at a time
  std::span<Nanoseconds> took{};     ///< of some that had a reply or came too late for it
};

/// How many calls may be under way at once to endpoints that cannot keep up.
///
/// Endpoints that get more calls than they can take queue them, until every call waits as long as
/// its caller does: they work at full speed, and nobody gets anything of it. Then fewer calls at a
/// time are more. There is no limit until the endpoints are overloaded; then it is halved (from
/// what was under way) for as long as they are.
///
///     none --overloaded--> limited --as the queue shrinks or grows--> limited --not needed--> none
///                             |  ^
///                     draining|  |measured      now and then, a breath
///
/// Lateness begins it, since nothing else tells that callers suffer. Endpoints are overloaded while
/// - for most of the callers a tenth of the calls ends late: one that gives its calls a millisecond
///   must not bring a limit upon the others;
/// - and few calls are quick: those that queue are all slow, whereas beside calls that wait for
///   something to happen (a long poll) others are as quick as ever.
/// Where some calls end in time, and after four cuts on end no more of them do, it is not their
/// number that makes the others late: the limit is taken back, and there is none for `kRest`.
///
/// From then on it is the gradient of the time that a call takes (the median of a window) that
/// steers: where calls take more than `kTolerance` times what they take without a queue, the limit
/// shrinks by as much; else it grows by 0.5 % a window; both while it is reached. What they take
/// without a queue shows in a breath: so few are let in that the queue drains, at the endpoints'
/// full speed, and those that come next are measured. A breath comes now and then, and at once
/// where the limit has shrunk to half of what the last one has left: calls may have become slower
/// without any queue, and a limit that is too low leaves endpoints without work. Where the queue
/// does not drain in time, since calls wait for something else, there is nothing to measure, and
/// lateness alone steers. Twice as much as needed for ten seconds: the limit is gone.
///
/// It decides by what it is told of all of them: whoever counts them may be many threads
/// (router/cluster/call_limit.hpp), and one of them steers.
///
/// Only calls that have a deadline count, since only of these is known when they are late; those
/// that were under way when the limit was cut say nothing about it. Sources: AIMD as in TCP (Chiu,
/// Jain, "Analysis of the Increase and Decrease Algorithms", 1989), with lateness as the signal;
/// the queue as in TCP Vegas (Brakmo, Peterson, "TCP Vegas", 1995), from the delay beyond the
/// least.
class AdaptiveLimit {
 public:
  static constexpr std::chrono::milliseconds kWindow{100};
  /// Fewer ended calls say nothing: the window lasts until there are as many.
  static constexpr std::uint32_t kMinEnded = 20;
  /// Share of late calls above which a caller is not served; fewer are single ones' trouble.
  static constexpr double kLateShare = 0.1;
  /// Share of quick calls above which the endpoints have no queue.
  static constexpr double kQuickShare = 1.0 / 3;
  static constexpr double kCut = 0.5;       ///< then calls wait half as long as their callers do
  static constexpr double kGrowth = 1.005;  ///< a window: doubled in 14 s
  /// A call may take so many times what it takes without a queue. Fewer leave some of many
  /// endpoints without work now and then.
  static constexpr double kTolerance = 5;
  /// Of the limit, in a breath: so far below 1 / `kTolerance` that it shows whether there is a
  /// queue.
  static constexpr double kBreath = 0.1;
  /// Windows in which the limit was reached, from one breath to the next.
  static constexpr int kBetweenBreaths = 300;
  /// The same while breaths find the limit too high, and after a cut.
  static constexpr int kBeforeNextBreath = 10;
  /// Share of the limit that a breath leaves; less: too high.
  static constexpr double kNearlyAll = 0.8;
  /// Whole: a queue drains in the time that a call takes to get through it, and what takes longer
  /// is none that a breath may be spent on.
  static constexpr std::chrono::seconds kLongestBreath{2};
  /// With less than half of the limit under way; a queue that has drained may take seconds to come
  /// back where little too much comes.
  static constexpr std::chrono::seconds kUnneeded{10};
  /// Never less: with so few under way it is not their number that makes them late.
  static constexpr double kLeast = 10;
  /// On end, without half as many late calls; each halves what calls of a queue have to wait.
  static constexpr int kMostCuts = 4;
  /// Share of late calls above which a cut is not judged: what came before it fills the queue
  /// still.
  static constexpr double kAllLate = 0.9;
  static constexpr std::chrono::minutes kRest{10};

  /// Whether there is something to `steer` by: with so many calls under way, and so many of the
  /// window ended. Not before `next_look`.
  [[nodiscard]] bool is_due(TimePoint now,
                            std::uint32_t n_under_way,
                            std::uint32_t n_ended) const noexcept;
  /// What has happened since the last time; another window begins. Requires `is_due`. `now` never
  /// goes back. O(n) in the calls timed, which it reorders.
  void steer(TimePoint now, const CallWindow& window) noexcept;
  /// Until then nothing is due.
  [[nodiscard]] TimePoint next_look() const noexcept;

  /// What may be under way now; nothing if there is no limit.
  [[nodiscard]] std::optional<double> limit_in_force() const noexcept;
  /// Calls admitted earlier do not count in a window.
  [[nodiscard]] TimePoint counts_from() const noexcept { return cut_at_; }

 private:
  enum class Breath : std::uint8_t { none, draining, measuring };

  [[nodiscard]] Nanoseconds shortest_window() const noexcept;
  [[nodiscard]] bool is_breath_too_long(TimePoint now) const noexcept;
  void end_window(TimePoint now, const CallWindow& window) noexcept;
  void cut(TimePoint now, const CallWindow& window) noexcept;
  void adjust(TimePoint now, const CallWindow& window) noexcept;
  void follow_gradient(const CallWindow& window) noexcept;
  void begin_breath(TimePoint now, const CallWindow& window) noexcept;
  void end_breath(const CallWindow& window) noexcept;
  void give_up_breath() noexcept;

  std::optional<double> limit_;
  TimePoint cut_at_{};
  int n_cuts_ = 0;               ///< on end
  double late_before_cuts_ = 0;  ///< share of late calls before the first of them
  TimePoint rests_until_{};
  std::optional<Nanoseconds> unqueued_;  ///< what a call takes without a queue, once that is known
  double breath_left_ = 0;               ///< the limit, after the last breath
  Breath breath_ = Breath::none;
  int windows_to_breath_ = 0;
  Nanoseconds before_breath_{};  ///< what calls took
  TimePoint breath_ends_by_{};
  std::optional<TimePoint> unneeded_since_;
  TimePoint began_at_{};  ///< the window
};

}  // namespace balancer
