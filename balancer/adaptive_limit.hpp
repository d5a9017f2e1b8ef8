// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/peak_ewma.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace balancer {

/// How many calls may be under way at once to endpoints that cannot keep up.
///
/// Endpoints that get more calls than they can take queue them, until every call waits as long as
/// its caller does: they work at full speed, and nobody gets anything of it. Then fewer calls at a
/// time are more. There is no limit until calls end late; while a tenth of them does, it is halved
/// (from what was under way), and it grows by 0.5 % a window while it is reached. Twice as
/// much as needed: it is gone.
///
/// Only calls that have a deadline count, since only of these is known when they are late; those
/// that were under way when the limit was cut say nothing about it. Source: AIMD as in TCP (Chiu,
/// Jain, "Analysis of the Increase and Decrease Algorithms", 1989), with lateness as the signal.
class AdaptiveLimit {
 public:
  static constexpr std::chrono::milliseconds kWindow{100};
  /// Fewer ended calls say nothing: the window lasts until there are as many.
  static constexpr std::uint32_t kMinEnded = 20;
  /// Share of late calls above which the endpoints are overloaded; fewer are single ones' trouble.
  static constexpr double kLateShare = 0.1;
  static constexpr double kCut = 0.5;       ///< then calls wait half as long as their callers do
  static constexpr double kGrowth = 1.005;  ///< a window: doubled in 14 s
  /// Never less: with so few under way it is not their number that makes them late.
  static constexpr double kLeast = 10;

  /// Whether one more call may be sent; if so, it is under way until `leave`.
  [[nodiscard]] bool admit(TimePoint now) noexcept;
  /// A call that was admitted at `admitted_at` has got its reply, or was given up; `late`: its
  /// deadline came first.
  void leave(bool late, TimePoint admitted_at) noexcept;
  /// What may be under way; nothing if there is no limit.
  [[nodiscard]] std::optional<std::uint32_t> limit() const noexcept;

 private:
  void end_window(TimePoint now) noexcept;

  std::uint32_t under_way_ = 0;
  std::optional<double> limit_;
  TimePoint cut_at_{};
  // Of the window:
  TimePoint began_at_{};
  std::uint32_t most_under_way_ = 0;
  std::uint32_t ended_ = 0;
  std::uint32_t late_ = 0;
};

}  // namespace balancer
