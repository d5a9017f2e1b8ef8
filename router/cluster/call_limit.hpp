// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/adaptive_limit.hpp"
#include "router/cluster/shared_list.hpp"
#include "router/worker/timer_wheel.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace router {

/// A count that begins anew with each window, of which it is told the number. Written by one
/// thread, read by any.
class WindowCount {
 public:
  void add(std::uint32_t window) noexcept { set(window, read(window) + 1); }
  void raise(std::uint32_t window, std::uint32_t to) noexcept {
    if (to > read(window)) {
      set(window, to);
    }
  }
  [[nodiscard]] std::uint32_t read(std::uint32_t window) const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    return word >> kCountBits == window ? static_cast<std::uint32_t>(word) : 0;
  }

 private:
  static constexpr unsigned kCountBits = 32;
  void set(std::uint32_t window, std::uint32_t count) noexcept {
    word_.store(std::uint64_t{window} << kCountBits | count, std::memory_order_relaxed);
  }

  /// The window, then the count: one word, so that no reader sees the count of one window under the
  /// number of another.
  std::atomic<std::uint64_t> word_{0};
};

/// `limits.concurrency: adaptive` of a Service port, for all workers: what its calls with a
/// deadline did, and how many may be under way by that (balancer::AdaptiveLimit). Any thread;
/// nobody waits.
///
/// Each worker counts its own calls, in its part. Whoever comes when a window is over reads all
/// parts and steers, if no other worker is about to; where the window must go on, the next look is
/// a millisecond later. While there is no limit, a call reads nothing else that others write; while
/// there is one, what each has under way. The limit is exceeded by what the workers admit in the
/// same moment, one each.
///
/// While there is a limit each caller may have its even part of it under way, also where others
/// have more; so up to twice the limit may be for a moment.
class alignas(64) CallLimit {
 public:
  /// Callers are told apart by so many numbers; two that share one count as one. More than a node
  /// has pods that call the same Service, as a rule.
  static constexpr std::size_t kCallers = 64;
  /// So many calls of a window are timed, the first ones of each worker.
  static constexpr std::size_t kTimed = 64;

  /// Of one worker; that one's thread.
  class Part;
  /// Lives as long as this. Once by each worker.
  [[nodiscard]] Part& add_part();

  /// Whether one more call of that caller, who is any number, may be sent; if so, it is under way
  /// until `leave`.
  [[nodiscard]] bool admit(Part& own, std::uint64_t caller, TimePoint now);
  /// A call that was admitted at `admitted_at` has ended.
  void leave(Part& own,
             std::uint64_t caller,
             balancer::CallEnd how,
             TimePoint admitted_at,
             TimePoint now) noexcept;

  /// What may be under way now, a breath or not; `kNone` if there is no limit.
  [[nodiscard]] std::uint32_t limit() const noexcept {
    return limit_.load(std::memory_order_relaxed);
  }
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  /// Calls of all workers.
  [[nodiscard]] std::uint32_t n_under_way() const noexcept;

 private:
  static constexpr std::chrono::milliseconds kLookAgain{1};

  void look(TimePoint now);
  [[nodiscard]] bool is_too_early(TimePoint now) const noexcept;
  void steer_if_due(TimePoint now);
  [[nodiscard]] balancer::CallWindow gather(std::uint32_t window);
  void announce() noexcept;
  [[nodiscard]] bool has_its_part(std::size_t caller, std::uint32_t limit) const noexcept;
  [[nodiscard]] std::uint32_t n_under_way_of(std::size_t caller) const noexcept;

  SharedList<Part> parts_;
  // What is announced, by whoever has steered:
  std::atomic<TimePoint::rep> next_look_{0};
  std::atomic<TimePoint::rep> counts_from_{0};
  std::atomic<std::uint32_t> window_{0};  ///< its number
  std::atomic<std::uint32_t> limit_{kNone};
  std::atomic_flag is_steered_{};
  // Of the worker that has set the flag:
  balancer::AdaptiveLimit steering_;
  std::uint32_t began_with_ = 0;  ///< under way, when the window began
  std::vector<balancer::Nanoseconds> took_;
};

/// What one worker's calls do. No two of them share a line of the cache.
class alignas(64) CallLimit::Part {
 public:
  Part* next = nullptr;  ///< in its list

 private:
  friend class CallLimit;
  struct Ended {
    WindowCount n;
    WindowCount n_late;
  };

  std::atomic<std::uint32_t> n_under_way_{0};
  std::array<std::atomic<std::uint32_t>, kCallers> n_under_way_of_{};  ///< by caller
  // Of the window:
  WindowCount most_under_way_;         ///< of this worker's
  WindowCount most_under_way_of_all_;  ///< while there is a limit
  WindowCount n_ended_;
  WindowCount n_late_;
  WindowCount n_quick_;
  WindowCount n_timed_;
  std::array<Ended, kCallers> ended_of_{};  ///< by caller
  std::array<std::atomic<balancer::Nanoseconds::rep>, kTimed> took_{};
};

}  // namespace router
