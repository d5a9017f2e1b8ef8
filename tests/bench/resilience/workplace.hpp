// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/delay_queue.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>

namespace bench {

using Job = std::uint64_t;

/// How a pod works today.
struct Day {
  std::chrono::microseconds service_time{5000};
  std::uint32_t workers = 1000;         ///< jobs that are worked on at once; the others queue
  std::uint32_t failures_permille = 0;  ///< of the jobs, which fail at once
};

struct Work {
  std::uint64_t begun = 0;
  std::uint64_t done = 0;  ///< worked on to the end, whether somebody still wanted it or not
  std::uint64_t failed = 0;
  std::uint64_t given_up = 0;  ///< by their callers, before the answer
};

/// Jobs that take their time and wait for a free worker, in the order they came. Any thread.
class Workplace {
 public:
  /// `good`: false if the job failed. Called once, unless the job is given up before.
  using Answer = std::function<void(bool good)>;

  explicit Workplace(std::string pod) : pod_{std::move(pod)} {}

  Job begin(Answer answer);
  /// Whether the answer is now never given. A job that is being worked on occupies its worker
  /// nonetheless.
  bool give_up(Job job);
  /// Holds for jobs that a worker takes up from now on.
  void set(const Day& day);
  [[nodiscard]] Day day() const;
  [[nodiscard]] Work work() const;
  [[nodiscard]] const std::string& pod() const noexcept { return pod_; }

 private:
  void take_up_next();
  void end(Job job, bool good);
  [[nodiscard]] Answer answer_of(Job job);

  const std::string pod_;
  mutable std::mutex mutex_;  // guards all below but the delays
  Day day_;
  Work work_;
  std::mt19937 rng_{1};
  std::map<Job, Answer> answers_;
  std::deque<Job> queue_;
  std::uint32_t n_working_ = 0;
  demo::DelayQueue delays_;  // the last: its thread uses the others
};

}  // namespace bench
