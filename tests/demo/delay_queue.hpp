// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace demo {

/// Runs tasks at their time, on one thread of its own. Any thread.
///
/// grpc's own alarm fires at whole milliseconds, late rather than early: a call that works for 1 ms
/// would take 2, and gRPC would look slower than its HTTP twin.
class DelayQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;
  /// Of a task; unique, for no two are made at once for the same moment.
  using Id = std::pair<Clock::time_point, std::uint64_t>;

  DelayQueue();
  DelayQueue(const DelayQueue&) = delete;
  DelayQueue& operator=(const DelayQueue&) = delete;
  /// Tasks that are not due are dropped.
  ~DelayQueue();

  /// `task` must not block.
  Id run_after(Clock::duration delay, Task task);
  /// Whether the task was removed; false if it has run or is running.
  bool cancel(const Id& id);

 private:
  void run();

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::map<Id, Task> tasks_;
  std::uint64_t n_made_ = 0;
  bool is_ending_ = false;
  std::thread thread_;  // the last, as it uses the others
};

}  // namespace demo
