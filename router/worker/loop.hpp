// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/limits/buffer_budget.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/mailbox.hpp"
#include "router/worker/output_buffer.hpp"
#include "router/worker/poller.hpp"
#include "router/worker/timer_wheel.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace router {

/// Something whose output is written once, at the end of the loop turn in which it changed.
class Flushable {
 public:
  virtual void flush() = 0;

 protected:
  Flushable() = default;
  Flushable(const Flushable&) = default;
  Flushable& operator=(const Flushable&) = default;
  ~Flushable() = default;

 private:
  friend class Loop;
  bool is_queued_ = false;
};

/// Base of what may end its own life from inside a call made by itself.
class Disposable {
 public:
  Disposable() = default;
  Disposable(const Disposable&) = delete;
  Disposable& operator=(const Disposable&) = delete;
  virtual ~Disposable() = default;
};

/// One core's event loop: turns, each of which waits, does what is due, and writes.
///
///     wait          until a socket is ready, a timer is due, or another thread has posted
///     read, decide  tasks of this turn, sockets, timers: they queue what they have to say
///     write         `Flushable`s, each once
///     destroy       `Disposable`s: nothing on the stack refers to them any more
///
/// All but `post` and `stop` is for the thread that runs it.
class Loop {
 public:
  /// Tells the time, which never goes back.
  using Clock = std::function<TimePoint()>;

  /// What one read takes at most: large enough for four full HTTP/2 frames, small enough to stay in
  /// the cache.
  static constexpr std::size_t kReadBytes = 64 * std::size_t{1024};

  /// A turn that takes longer holds up every other connection of the core.
  static constexpr std::chrono::milliseconds kSlowTurn{1};

  /// `metrics` counts, among others, the turns that took over `kSlowTurn`. It must outlive the
  /// loop. With a `clock` that is not the system's a turn waits as if that were.
  explicit Loop(telemetry::CoreMetrics& metrics, Clock clock = std::chrono::steady_clock::now);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Turns, until `stop`.
  void run();
  /// One of them, in which it waits no longer than `patience`.
  void turn(std::chrono::milliseconds patience);
  /// Any thread. Runs `task` in a turn, soon.
  void post(std::function<void()> task) { mailbox_.post(std::move(task)); }
  /// Any thread. Lets `run` return when the turn is over.
  void stop();

  /// The core's figures.
  [[nodiscard]] telemetry::CoreMetrics& metrics() noexcept { return metrics_; }
  /// The time at which this turn began.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }
  /// Of the core's sockets.
  [[nodiscard]] Poller& poller() noexcept { return poller_; }
  /// What the core's buffers hold.
  [[nodiscard]] BufferShare& buffers() noexcept { return buffers_; }
  /// Scratch for one read; its content is gone at the next read of any connection.
  [[nodiscard]] std::span<std::byte> read_buffer() noexcept { return read_buffer_; }
  /// Scratch for what one connection is about to encrypt; empty otherwise.
  [[nodiscard]] OutputBuffer& plaintext() noexcept { return plaintext_; }

  void arm(Timer& timer, TimePoint at);
  /// Runs `task` first in the next turn, which follows at once.
  void in_next_turn(std::function<void()> task) { next_turn_.push_back(std::move(task)); }
  /// Calls `what.flush()` once at the end of this turn, however often it is asked for.
  void flush_later(Flushable& what);
  /// Must be called before `what` is destroyed.
  void forget(Flushable& what) noexcept;
  /// Destroys `what` at the end of this turn, when nothing on the stack refers to it any more.
  void destroy_later(std::unique_ptr<Disposable> what);

 private:
  [[nodiscard]] std::chrono::milliseconds time_to_next_turn() const;
  void find_wake_time();
  void fire_timers();
  void end_turn();
  void post_buffers();

  telemetry::CoreMetrics& metrics_;
  Clock clock_;
  BufferShare buffers_;  ///< before all that may hold a buffer
  TimePoint now_;
  TimerWheel timers_;
  TimePoint wake_at_ = TimePoint::max();  ///< when a timer may be due
  Poller poller_;
  Mailbox mailbox_{poller_};
  bool is_stopped_ = false;
  std::vector<std::function<void()>> next_turn_;
  std::vector<Flushable*> to_flush_;
  std::vector<std::unique_ptr<Disposable>> to_destroy_;
  std::vector<std::unique_ptr<Disposable>> dying_;  ///< empty outside of `end_turn`
  std::array<std::byte, kReadBytes> read_buffer_{};
  OutputBuffer plaintext_;
};

}  // namespace router
