// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/limits/buffer_budget.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/output_buffer.hpp"
#include "router/worker/poller.hpp"
#include "router/worker/timer_wheel.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

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

/// One core's event loop with what belongs to a turn of it: the time, the timers, one read buffer,
/// the writes at the end.
///
/// A turn begins with `begin_turn` (sockets became readable, a timer fired, a task was posted).
/// Everything that it caused is written, and everything that ended in it destroyed, when its
/// handlers have run: at once after the sockets that were ready, since the poller serves them all.
class Loop {
 public:
  /// What one read takes at most: large enough for four full HTTP/2 frames, small enough to stay in
  /// the cache.
  static constexpr std::size_t kReadBytes = 64 * std::size_t{1024};

  /// A turn that takes longer holds up every other connection of the core.
  static constexpr std::chrono::milliseconds kSlowTurn{1};

  /// `metrics` counts, among others, the turns that took over `kSlowTurn`. Both must outlive the
  /// loop.
  Loop(boost::asio::io_context& io, telemetry::CoreMetrics& metrics);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] boost::asio::io_context& io() noexcept { return io_; }
  /// The core's figures.
  [[nodiscard]] telemetry::CoreMetrics& metrics() noexcept { return metrics_; }
  /// The time at which this turn began.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }
  /// Reads the clock; called first by every handler that the io_context calls.
  void begin_turn();
  /// A whole turn: `handlers` and its end.
  template <class Handlers>
  void run_turn(Handlers handlers) {
    begin_turn();
    is_end_at_hand_ = true;
    handlers();
    is_end_at_hand_ = false;
    end_turn();
  }
  /// Of the core's connections.
  [[nodiscard]] Poller& poller() noexcept { return poller_; }
  /// What the core's buffers hold.
  [[nodiscard]] BufferShare& buffers() noexcept { return buffers_; }
  /// Scratch for one read; its content is gone at the next read of any connection.
  [[nodiscard]] std::span<std::byte> read_buffer() noexcept { return read_buffer_; }
  /// Scratch for what one connection is about to encrypt; empty otherwise.
  [[nodiscard]] OutputBuffer& plaintext() noexcept { return plaintext_; }

  void arm(Timer& timer, TimePoint at);
  /// Calls `what.flush()` once at the end of this turn, however often it is asked for.
  void flush_later(Flushable& what);
  /// Must be called before `what` is destroyed.
  void forget(Flushable& what) noexcept;
  /// Destroys `what` at the end of this turn, when nothing on the stack refers to it any more.
  void destroy_later(std::unique_ptr<Disposable> what);

 private:
  void schedule_end_of_turn();
  void end_turn();
  void post_buffers();
  void schedule_wake();

  boost::asio::io_context& io_;
  telemetry::CoreMetrics& metrics_;
  BufferShare buffers_;  ///< before all that may hold a buffer
  TimePoint now_;
  TimePoint turn_began_at_;
  TimerWheel timers_;
  boost::asio::steady_timer wake_timer_;
  Poller poller_;
  TimePoint wake_at_ = TimePoint::max();
  bool is_end_due_ = false;      ///< there is something to write or to destroy
  bool is_end_at_hand_ = false;  ///< it needs no task of its own
  std::vector<Flushable*> to_flush_;
  std::vector<std::unique_ptr<Disposable>> to_destroy_;
  std::array<std::byte, kReadBytes> read_buffer_{};
  OutputBuffer plaintext_;
};

}  // namespace router
