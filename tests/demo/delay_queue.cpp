// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/delay_queue.hpp"

namespace demo {

DelayQueue::DelayQueue() : thread_{[this] { run(); }} {}

// NOLINTNEXTLINE(bugprone-exception-escape): a mutex or a thread that fails here ends the process
DelayQueue::~DelayQueue() {
  {
    const std::lock_guard lock{mutex_};
    is_ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

DelayQueue::Id DelayQueue::run_after(Clock::duration delay, Task task) {
  const Clock::time_point due = Clock::now() + delay;
  const std::lock_guard lock{mutex_};
  const auto made = tasks_.emplace(Id{due, n_made_++}, std::move(task)).first;
  if (made == tasks_.begin()) {
    changed_.notify_all();  // sooner than what the thread sleeps for
  }
  return made->first;
}

bool DelayQueue::cancel(const Id& id) {
  const std::lock_guard lock{mutex_};
  return tasks_.erase(id) > 0;
}

void DelayQueue::run() {
  std::unique_lock lock{mutex_};
  while (!is_ending_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
    } else if (const Clock::time_point due = tasks_.begin()->first.first; due > Clock::now()) {
      changed_.wait_until(lock, due);
    } else {
      const auto next = tasks_.extract(tasks_.begin());
      lock.unlock();
      next.mapped()();
      lock.lock();
    }
  }
}

}  // namespace demo
