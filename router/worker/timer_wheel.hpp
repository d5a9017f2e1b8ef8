// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace router {

using TimePoint = std::chrono::steady_clock::time_point;

class TimerWheel;

/// One deadline, part of the object that waits for it. Cancels itself when destroyed. Not movable:
/// the wheel links it.
class Timer {
 public:
  using Callback = void (*)(void* owner);

  /// `callback(owner)` is called once for each `arm`, from `TimerWheel::advance`.
  Timer(Callback callback, void* owner) noexcept : callback_{callback}, owner_{owner} {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  [[nodiscard]] bool is_armed() const noexcept { return wheel_ != nullptr; }
  /// Does nothing if the timer is not armed.
  void cancel() noexcept;

 private:
  friend class TimerWheel;
  Callback callback_;
  void* owner_;
  TimePoint at_{};
  TimerWheel* wheel_ = nullptr;
  Timer* previous_ = nullptr;
  Timer* next_ = nullptr;
  std::size_t slot_ = 0;
};

/// Makes the callback of a `Timer` out of a member function: `Timer
/// timer_{on_timer<&Exchange::on_deadline>, this}`.
template <auto kMethod>
struct TimerMethod;
template <class Owner, void (Owner::*kMethod)()>
struct TimerMethod<kMethod> {
  static void call(void* owner) { (static_cast<Owner*>(owner)->*kMethod)(); }
};
template <auto kMethod>  // NOLINTNEXTLINE(readability-identifier-naming): reads as a function
inline constexpr Timer::Callback on_timer = &TimerMethod<kMethod>::call;

/// Deadlines of everything on one core: arming and cancelling are O(1), whatever the number of
/// timers.
///
/// A hashed wheel: a timer hangs in the slot of its tick modulo the number of slots, and one that
/// is due in a later round is passed over. Timers fire up to one tick late, never early. The owner
/// feeds the time. Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987,
/// scheme 6.
class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{
      4};  ///< far below the shortest timeout anybody configures
  static constexpr std::size_t kSlots =
      1024;  ///< one round is 4 s: most deadlines are due in the first

  explicit TimerWheel(TimePoint start) noexcept : start_{start} {}
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// Arms or re-arms. A time that has passed fires at the next `advance`.
  void arm(Timer& timer, TimePoint at) noexcept;
  /// Fires everything due at `now`. Callbacks may arm and cancel timers, and destroy their owners.
  void advance(TimePoint now);
  /// When `advance` should be called next; nothing if no timer is armed.
  [[nodiscard]] std::optional<TimePoint> next_wake() const noexcept;

 private:
  friend class Timer;
  [[nodiscard]] std::uint64_t tick_of(TimePoint at) const noexcept;
  [[nodiscard]] bool is_due_in_current_slot() const noexcept;
  void unlink(Timer& timer) noexcept;
  void fire_slot(std::size_t slot, TimePoint now);

  TimePoint start_;
  std::uint64_t current_tick_ = 0;  ///< all ticks before it have been fired
  std::size_t armed_ = 0;
  std::array<Timer*, kSlots> slots_{};
  Timer* cursor_ =
      nullptr;  ///< next timer of the slot being fired, kept right when it is cancelled meanwhile
};

}  // namespace router
