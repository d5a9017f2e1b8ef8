// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/resilience/workplace.hpp"

namespace bench {

namespace {

constexpr std::chrono::microseconds kFailureTime{200};  // to fail fast

}  // namespace

Job Workplace::begin(Answer answer) {
  const std::lock_guard lock{mutex_};
  const Job job = ++work_.begun;
  answers_.emplace(job, std::move(answer));
  queue_.push_back(job);
  take_up_next();
  return job;
}

bool Workplace::give_up(Job job) {
  const std::lock_guard lock{mutex_};
  if (answers_.erase(job) == 0) {
    return false;
  }
  ++work_.given_up;
  return true;
}

void Workplace::set(const Day& day) {
  const std::lock_guard lock{mutex_};
  day_ = day;
}

Day Workplace::day() const {
  const std::lock_guard lock{mutex_};
  return day_;
}

Work Workplace::work() const {
  const std::lock_guard lock{mutex_};
  return work_;
}

void Workplace::take_up_next() {
  while (n_working_ < day_.workers && !queue_.empty()) {
    const Job job = queue_.front();
    queue_.pop_front();
    if (!answers_.contains(job)) {
      continue;  // given up while it waited
    }
    ++n_working_;
    const bool good =
        std::uniform_int_distribution<std::uint32_t>{0, 999}(rng_) >= day_.failures_permille;
    delays_.run_after(good ? day_.service_time : kFailureTime,
                      [this, job, good] { end(job, good); });
  }
}

void Workplace::end(Job job, bool good) {
  if (const Answer answer = answer_of(job)) {
    answer(good);
  }
  const std::lock_guard lock{mutex_};
  --n_working_;
  ++(good ? work_.done : work_.failed);
  take_up_next();
}

Workplace::Answer Workplace::answer_of(Job job) {
  const std::lock_guard lock{mutex_};
  const auto found = answers_.extract(job);
  return found ? std::move(found.mapped()) : Answer{};
}

}  // namespace bench
