// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/loop.hpp"

#include <algorithm>
#include <chrono>

namespace test {

/// A core's loop whose time stands still unless the test lets it pass: what depends on time comes
/// out the same in each run, on any machine.
class VirtualLoop {
 public:
  explicit VirtualLoop(router::telemetry::CoreMetrics& metrics)
      : loop_{metrics, [this] { return now_; }} {}
  VirtualLoop(const VirtualLoop&) = delete;
  VirtualLoop& operator=(const VirtualLoop&) = delete;

  [[nodiscard]] router::Loop& operator*() noexcept { return loop_; }
  [[nodiscard]] router::Loop* operator->() noexcept { return &loop_; }

  /// One turn, which takes no time.
  void turn() { loop_.turn(std::chrono::milliseconds{0}); }
  /// Turns, some hundred of them where it is long, a millisecond or more from one to the next.
  void pass(std::chrono::milliseconds time) {
    run_for(time, std::max(time / 100, kStep), [] { return false; });
  }
  /// Turns, a millisecond from one to the next, until `holds()`, but no longer than `patience`.
  /// Returns whether it holds.
  template <class Predicate>
  [[nodiscard]] bool run_until(Predicate holds,
                               std::chrono::milliseconds patience = std::chrono::seconds{5}) {
    return run_for(patience, kStep, holds);
  }

 private:
  static constexpr std::chrono::milliseconds kStep{1};

  template <class Predicate>
  bool run_for(std::chrono::milliseconds time, std::chrono::milliseconds step, Predicate holds) {
    const router::TimePoint until = now_ + time;
    while (!holds() && now_ < until) {
      now_ += step;
      turn();
    }
    return holds();
  }

  router::TimePoint now_{std::chrono::hours{1}};  // some time after the system's start
  router::Loop loop_;
};

}  // namespace test
