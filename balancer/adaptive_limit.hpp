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
  quick,    ///< its reply came within a tenth of the time that it had
  in_time,  ///< it came later
  late,     ///< the deadline came first
};

/// How many calls may be under way at once to endpoints that cannot keep up.
///
/// Endpoints that get more calls than they can take queue them, until every call waits as long as
/// its caller does: they work at full speed, and nobody gets anything of it. Then fewer calls at a
/// time are more. There is no limit until the endpoints are overloaded; while they are, it is
/// halved (from what was under way), and it grows by 0.5 % a window while it is reached. Twice as
/// much as needed: it is gone.
///
/// Lateness alone is no overload. Endpoints are overloaded while
/// - for most of the callers a tenth of the calls ends late: one that gives its calls a millisecond
///   must not bring a limit upon the others;
/// - and few calls are quick: those that queue are all slow, whereas beside calls that wait for
///   something to happen (a long poll) others are as quick as ever.
/// Where some calls end in time, and after four cuts on end no more of them do, it is not their
/// number that makes the others late: the limit is taken back, and there is none for `kRest`.
///
/// While there is a limit each caller may have its even part of it under way, also where others
/// have more; so up to twice the limit may be for a moment.
///
/// Only calls that have a deadline count, since only of these is known when they are late; those
/// that were under way when the limit was cut say nothing about it. Source: AIMD as in TCP (Chiu,
/// Jain, "Analysis of the Increase and Decrease Algorithms", 1989), with lateness as the signal.
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
  /// until `leave`.
  [[nodiscard]] bool admit(std::uint64_t caller, TimePoint now) noexcept;
  /// A call that was admitted at `admitted_at` has ended.
  void leave(std::uint64_t caller, CallEnd how, TimePoint admitted_at) noexcept;
  /// What may be under way; nothing if there is no limit.
  [[nodiscard]] std::optional<std::uint32_t> limit() const noexcept;

 private:
  struct Caller {
    std::uint32_t under_way = 0;
    // Of the window:
    std::uint32_t ended = 0;
    std::uint32_t late = 0;
  };

  [[nodiscard]] bool has_its_part(const Caller& caller) const noexcept;
  [[nodiscard]] bool are_most_callers_late() const noexcept;
  void cut(double late_share, TimePoint now) noexcept;
  void end_window(TimePoint now) noexcept;

  std::array<Caller, kCallers> callers_{};
  std::uint32_t n_callers_ = 0;  ///< that have calls under way
  std::uint32_t under_way_ = 0;
  std::optional<double> limit_;
  TimePoint cut_at_{};
  int n_cuts_ = 0;               ///< on end
  double late_before_cuts_ = 0;  ///< share of late calls before the first of them
  TimePoint rests_until_{};
  // Of the window:
  TimePoint began_at_{};
  std::uint32_t most_under_way_ = 0;
  std::uint32_t ended_ = 0;
  std::uint32_t late_ = 0;
  std::uint32_t quick_ = 0;
};

}  // namespace balancer
