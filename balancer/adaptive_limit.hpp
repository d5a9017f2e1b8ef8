// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/peak_ewma.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace balancer {

/// How a call ended that had a deadline.
enum class CallEnd : std::uint8_t {
  quick,     ///< its reply came within a tenth of the time that it had
  in_time,   ///< it came later
  late,      ///< the deadline came first
  no_reply,  ///< before either: it failed, or its caller gave it up
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
/// While there is a limit each caller may have its even part of it under way, also where others
/// have more; so up to twice the limit may be for a moment.
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
  /// So many calls of a window are timed, the first ones.
  static constexpr std::size_t kTimed = 64;
  /// Never less: with so few under way it is not their number that makes them late.
  static constexpr double kLeast = 10;
  /// On end, without half as many late calls; each halves what calls of a queue have to wait.
  static constexpr int kMostCuts = 4;
  /// Share of late calls above which a cut is not judged: what came before it fills the queue
  /// still.
  static constexpr double kAllLate = 0.9;
  static constexpr std::chrono::minutes kRest{10};
  /// Callers are told apart by so many numbers; two that share one count as one. More than a node
  /// has pods that call the same Service, as a rule.
  static constexpr std::size_t kCallers = 64;

  /// Whether one more call of that caller, who is any number, may be sent; if so, it is under way
  /// until `leave`. Neither `now` goes back.
  [[nodiscard]] bool admit(std::uint64_t caller, TimePoint now) noexcept;
  /// A call that was admitted at `admitted_at` has ended.
  void leave(std::uint64_t caller, CallEnd how, TimePoint admitted_at, TimePoint now) noexcept;
  /// What may be under way, but for breaths; nothing if there is no limit.
  [[nodiscard]] std::optional<std::uint32_t> limit() const noexcept;

 private:
  struct Caller {
    std::uint32_t under_way = 0;
    // Of the window:
    std::uint32_t ended = 0;
    std::uint32_t late = 0;
  };

  enum class Breath : std::uint8_t { none, draining, measuring };

  [[nodiscard]] double limit_in_force() const noexcept;
  [[nodiscard]] bool has_its_part(const Caller& caller) const noexcept;
  [[nodiscard]] bool are_most_callers_late() const noexcept;
  [[nodiscard]] bool is_window_over(TimePoint now) const noexcept;
  void cut(double late_share, TimePoint now) noexcept;
  void steer(TimePoint now) noexcept;
  void follow_gradient() noexcept;
  void begin_breath(TimePoint now) noexcept;
  void drain(TimePoint now) noexcept;
  void end_breath() noexcept;
  void give_up_breath() noexcept;
  void end_window(TimePoint now) noexcept;
  void begin_window(TimePoint now) noexcept;
  /// Of the calls timed in the window; nothing if they are too few to tell.
  [[nodiscard]] std::optional<Nanoseconds> median() noexcept;

  std::array<Caller, kCallers> callers_{};
  std::uint32_t n_callers_ = 0;  ///< that have calls under way
  std::uint32_t under_way_ = 0;
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
  // Of the window:
  TimePoint began_at_{};
  std::uint32_t most_under_way_ = 0;
  std::uint32_t ended_ = 0;
  std::uint32_t late_ = 0;
  std::uint32_t quick_ = 0;
  std::array<Nanoseconds, kTimed> timed_{};
  std::size_t n_timed_ = 0;
};

}  // namespace balancer
