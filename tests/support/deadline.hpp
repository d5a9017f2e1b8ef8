// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

/// Black-box parts for tests of the real binary. They share no code with the router, so that they
/// judge it independently.
namespace test {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using Milliseconds = std::chrono::milliseconds;

/// For messages.
[[nodiscard]] inline double in_ms(SteadyClock::duration duration) {
  return std::chrono::duration<double, std::milli>{duration}.count();
}

/// How long anything may take before a test fails. Generous: it bounds a hang, it measures nothing.
inline constexpr std::chrono::seconds kPatience{10};

/// Something that a test waited for has not happened in time, or has become impossible.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A point in time after which waiting for `what` fails.
class Deadline {
 public:
  explicit Deadline(std::string what, Milliseconds patience = kPatience)
      : what_{std::move(what)}, patience_{patience}, at_{SteadyClock::now() + patience} {}

  [[nodiscard]] bool has_passed() const { return SteadyClock::now() >= at_; }
  /// For poll(2): at least 0, rounded up.
  [[nodiscard]] int remaining_ms() const;
  /// Throws a `Failure` that names what was waited for, how long, and `detail`.
  [[noreturn]] void fail(const std::string& detail = {}) const;

 private:
  std::string what_;
  Milliseconds patience_;
  TimePoint at_;
};

/// Asks `holds` again and again until it says true; for facts that can only be seen by asking
/// (metrics, process state). Throws a `Failure` naming `what` after `patience`. Returns how long it
/// took.
Milliseconds eventually(const std::string& what,
                        const std::function<bool()>& holds,
                        Milliseconds patience = kPatience);

}  // namespace test
