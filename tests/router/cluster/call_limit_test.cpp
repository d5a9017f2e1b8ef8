// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/call_limit.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace {

using namespace std::chrono_literals;
using balancer::AdaptiveLimit;
using balancer::CallEnd;
using router::CallLimit;
using router::TimePoint;
using Duration = TimePoint::duration;

constexpr std::uint64_t kCaller = 1;
constexpr std::uint64_t kOther = 2;

/// The calls of one worker, which is the only one.
class OneWorker {
 public:
  bool admit(std::uint64_t caller, TimePoint now) { return limit_.admit(own_, caller, now); }
  void leave(std::uint64_t caller, CallEnd how, TimePoint admitted_at, TimePoint now) {
    limit_.leave(own_, caller, how, admitted_at, now);
  }
  [[nodiscard]] std::optional<std::uint32_t> limit() const {
    return limit_.limit() == CallLimit::kNone ? std::nullopt : std::optional{limit_.limit()};
  }

 private:
  CallLimit limit_;
  CallLimit::Part& own_ = limit_.add_part();
};

/// Endpoints that take up one call after the other, each for the same time, and callers that give
/// up.
class Station {
 public:
  explicit Station(Duration service_time, Duration deadline = 1s)
      : service_time_{service_time}, deadline_{deadline} {}

  OneWorker limit;
  int refused = 0;
  int in_time = 0;
  int late = 0;
  Duration longest{};  ///< of those in time

  void count_anew() {
    refused = in_time = late = 0;
    longest = {};
  }
  void become_slower(Duration service_time) { service_time_ = service_time; }

  /// Calls come at equal intervals.
  void run(Duration duration, Duration interval) {
    const TimePoint until = now_ + duration;
    for (; now_ < until; now_ += interval) {
      end_those_due();
      if (!limit.admit(kCaller, now_)) {
        ++refused;
        continue;
      }
      free_at_ = std::max(free_at_, now_) + service_time_;
      calls_.push_back({now_, std::min(free_at_, now_ + deadline_), free_at_ > now_ + deadline_});
    }
  }

 private:
  struct Call {
    TimePoint began_at;
    TimePoint ends_at;
    bool is_late;
  };

  void end_those_due() {
    while (!calls_.empty() && calls_.front().ends_at <= now_) {
      const Call call = calls_.front();
      calls_.pop_front();
      ++(call.is_late ? late : in_time);
      const bool is_quick = call.ends_at - call.began_at < deadline_ / 10;
      limit.leave(kCaller,
                  call.is_late ? CallEnd::late
                  : is_quick   ? CallEnd::quick
                               : CallEnd::in_time,
                  call.began_at,
                  call.ends_at);
      if (!call.is_late) {
        longest = std::max(longest, call.ends_at - call.began_at);
      }
    }
  }

  Duration service_time_;
  Duration deadline_;
  TimePoint now_{1h};
  std::deque<Call> calls_;
  TimePoint free_at_{};
};

}  // namespace

TEST_CASE("CallLimit: there is none while calls end in time", "[cluster][call_limit]") {
  Station station{2ms};
  station.run(60s, 2100us);
  CHECK(station.refused == 0);
  CHECK(station.late == 0);
  CHECK_FALSE(station.limit.limit());
}

TEST_CASE("CallLimit: overloaded endpoints give nearly all that they can",
          "[cluster][call_limit]") {
  Station station{2ms};      // 500 a second
  station.run(10s, 1333us);  // 750 a second
  station.count_anew();
  station.run(50s, 1333us);
  CHECK(station.in_time > 0.95 * 500 * 50);
  CHECK(station.late == 0);
  CHECK(station.refused > 0.9 * 250 * 50);
}

TEST_CASE("CallLimit: calls of overloaded endpoints take little longer than without a queue",
          "[cluster][call_limit]") {
  const Duration interval = GENERATE(as<Duration>{}, 1800us, 1333us, 500us);
  CAPTURE(interval.count());
  Station station{2ms};
  station.run(60s, interval);
  station.count_anew();

  station.run(60s, interval);

  CHECK(station.in_time > 0.95 * 500 * 60);
  CHECK(station.longest < 150ms);  // of a second that their callers would wait
}

TEST_CASE("CallLimit: endpoints that become slower while there is a limit are not left idle",
          "[cluster][call_limit]") {
  Station station{2ms};
  station.run(60s, 1ms);
  station.become_slower(10ms);
  station.run(60s, 1ms);
  station.count_anew();

  station.run(60s, 1ms);

  CHECK(station.in_time > 0.95 * 100 * 60);
  CHECK(station.longest < 600ms);
}

namespace {

/// As many calls at a time as come, each for the same time; a share of them waits for something
/// else for ten seconds. `limit` has been brought upon them by calls that were late.
class WideStation {
 public:
  WideStation() {
    for (int i = 0; i < 1000; ++i) {
      calls_.emplace(now_ + 1s, std::pair{now_, CallEnd::late});
      REQUIRE(limit.admit(kCaller, now_));
    }
    end_those_due(now_ + 1s);
  }

  OneWorker limit;
  int refused = 0;
  int taken = 0;

  void run(Duration duration, Duration interval, Duration service_time, int one_in_waits = 0) {
    const TimePoint until = now_ + duration;
    for (int n = 1; now_ < until; ++n) {
      end_those_due(now_ + interval);
      if (!limit.admit(kCaller, now_)) {
        ++refused;
        continue;
      }
      ++taken;
      const bool waits = one_in_waits > 0 && n % one_in_waits == 0;
      const Duration took = waits ? 10s : service_time;
      calls_.emplace(now_ + took,
                     std::pair{now_, took < 100ms ? CallEnd::quick : CallEnd::in_time});
    }
  }
  void count_anew() { refused = taken = 0; }

 private:
  void end_those_due(TimePoint now) {
    now_ = now;
    while (!calls_.empty() && calls_.begin()->first <= now_) {
      const auto [ends_at, call] = *calls_.begin();
      calls_.erase(calls_.begin());
      limit.leave(kCaller, call.second, call.first, ends_at);
    }
  }

  TimePoint now_{1h};
  std::multimap<TimePoint, std::pair<TimePoint, CallEnd>> calls_;  ///< by their ends
};

}  // namespace

TEST_CASE("CallLimit: some calls that wait for something do not make the others too many",
          "[cluster][call_limit]") {
  WideStation station;
  station.run(100s, 1ms, 50ms, 50);  // 200 of 250 under way wait
  station.count_anew();

  station.run(100s, 1ms, 50ms, 50);

  CHECK(station.refused < station.taken / 20);
}

TEST_CASE("CallLimit: endpoints that become slower without a queue are soon given as many calls",
          "[cluster][call_limit]") {
  WideStation station;
  station.run(60s, 1ms, 20ms);
  station.run(10s, 1ms, 400ms);
  station.count_anew();

  station.run(60s, 1ms, 400ms);

  CHECK(station.refused < station.taken / 4);
}

TEST_CASE("CallLimit: where what is under way is no queue, calls are not held back for long",
          "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  std::deque<TimePoint> waiting;
  int n_refused_on_end = 0;
  int most_refused_on_end = 0;
  for (int i = 0; i < 60'000; ++i, now += 1ms) {
    // Each takes a second, however many there are; for the first two seconds that is late.
    while (!waiting.empty() && waiting.front() + 1s <= now) {
      limit.leave(kCaller, i < 3'000 ? CallEnd::late : CallEnd::in_time, waiting.front(), now);
      waiting.pop_front();
    }
    if (limit.admit(kCaller, now)) {
      waiting.push_back(now);
      n_refused_on_end = 0;
    } else {
      most_refused_on_end = std::max(most_refused_on_end, ++n_refused_on_end);
    }
  }

  CHECK(most_refused_on_end < 2'500);
  CHECK(waiting.size() > 250);
}

TEST_CASE("CallLimit: many endpoints at half as much again as they can take answer in a moment",
          "[cluster][call_limit]") {
  const std::size_t n_endpoints = GENERATE(5, 50);
  const std::size_t n_workers = GENERATE(1, 4);
  CAPTURE(n_endpoints, n_workers);
  constexpr double kServiceMs = 5;
  const double capacity = static_cast<double>(n_endpoints) / kServiceMs;  // calls a millisecond
  std::mt19937_64 random{7};
  std::exponential_distribution<double> pause_ms{1.5 * capacity};
  std::exponential_distribution<double> service_ms{1 / kServiceMs};
  std::vector<double> free_at_ms(n_endpoints);
  struct Call {
    double ends_at_ms;
    double began_at_ms;
    CallLimit::Part* worker;
    bool operator<(const Call& other) const { return ends_at_ms > other.ends_at_ms; }
  };
  std::priority_queue<Call> calls;
  const auto at = [](double ms) {
    return TimePoint{1h} +
           std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>{ms});
  };
  constexpr double kDeadlineMs = 1000;
  constexpr double kUntilMs = 60'000;
  constexpr double kCountedFromMs = 20'000;
  CallLimit limit;
  std::vector<CallLimit::Part*> workers;
  for (std::size_t i = 0; i < n_workers; ++i) {
    workers.push_back(&limit.add_part());
  }
  std::vector<double> took_ms;

  double now_ms = 0;
  while (now_ms < kUntilMs) {
    now_ms += pause_ms(random);
    for (; !calls.empty() && calls.top().ends_at_ms <= now_ms; calls.pop()) {
      const Call call = calls.top();
      const double took = call.ends_at_ms - call.began_at_ms;
      limit.leave(*call.worker,
                  kCaller,
                  took >= kDeadlineMs       ? CallEnd::late
                  : took < kDeadlineMs / 10 ? CallEnd::quick
                                            : CallEnd::in_time,
                  at(call.began_at_ms),
                  at(call.ends_at_ms));
      if (now_ms > kCountedFromMs && took < kDeadlineMs) {
        took_ms.push_back(took);
      }
    }
    CallLimit::Part* const worker = workers[random() % n_workers];
    if (limit.admit(*worker, kCaller, at(now_ms))) {
      double& one = free_at_ms[random() % n_endpoints];
      double& other = free_at_ms[random() % n_endpoints];
      double& chosen = one < other ? one : other;
      chosen = std::max(chosen, now_ms) + service_ms(random);  // also if its caller gives up
      calls.push({std::min(chosen, now_ms + kDeadlineMs), now_ms, worker});
    }
  }

  const double n_possible = capacity * (kUntilMs - kCountedFromMs);
  CHECK(static_cast<double>(took_ms.size()) > 0.9 * n_possible);
  std::sort(took_ms.begin(), took_ms.end());
  CHECK(took_ms[took_ms.size() / 2] < 8 * kServiceMs);
  CHECK(took_ms[took_ms.size() * 99 / 100] < 20 * kServiceMs);
}

TEST_CASE("CallLimit: calls that are late in a breath halve the limit, not what the breath let in",
          "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  const auto begin = [&](int n_calls) {
    int n_admitted = 0;
    for (int i = 0; i < n_calls; ++i) {
      n_admitted += limit.admit(kCaller, now) ? 1 : 0;
    }
    return n_admitted;
  };
  const auto end = [&](int n_calls, CallEnd how, Duration took) {
    now += took;
    for (int i = 0; i < n_calls; ++i) {
      limit.leave(kCaller, how, now - took, now);
    }
  };
  end(begin(1000), CallEnd::late, 1s);
  REQUIRE(begin(1) == 1);
  REQUIRE(limit.limit() == 500);
  end(1, CallEnd::in_time, 500ms);
  int n_admitted = begin(1000);
  for (int i = 0; i < 100 && n_admitted >= 500; ++i) {
    end(n_admitted, CallEnd::in_time, 500ms);
    n_admitted = begin(1000);
  }
  REQUIRE(n_admitted < 100);  // a breath

  end(n_admitted, CallEnd::late, 1s);
  REQUIRE(begin(1) == 1);

  CHECK(*limit.limit() >= 250);
}

TEST_CASE("CallLimit: it is gone when the load is", "[cluster][call_limit]") {
  Station station{2ms};
  station.run(20s, 1ms);
  REQUIRE(station.limit.limit());
  station.run(20s, 4ms);
  CHECK_FALSE(station.limit.limit());
  station.count_anew();
  station.run(10s, 4ms);
  CHECK(station.refused == 0);
}

TEST_CASE("CallLimit: single late calls are no overload", "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  for (int i = 0; i < 10'000; ++i, now += 1ms) {
    REQUIRE(limit.admit(kCaller, now));
    limit.leave(kCaller, i % 20 == 0 ? CallEnd::late : CallEnd::in_time, now, now);
  }
  CHECK_FALSE(limit.limit());
}

TEST_CASE("CallLimit: calls from before the cut do not cut it again", "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  const TimePoint before = now;
  for (int i = 0; i < 200; ++i) {
    REQUIRE(limit.admit(kCaller, now));
  }
  for (int i = 0; i < 50; ++i) {
    limit.leave(kCaller, CallEnd::late, before, now);
  }
  now += 1s;
  REQUIRE_FALSE(limit.admit(kCaller, now));  // 150 under way of 100
  CHECK(limit.limit() == 100);
  for (int i = 0; i < 149; ++i) {
    limit.leave(kCaller, CallEnd::late, before, now);
  }
  for (int i = 0; i < 30; ++i) {
    now += 10ms;
    REQUIRE(limit.admit(kCaller, now));
    limit.leave(kCaller, CallEnd::in_time, now, now);
  }
  CHECK(limit.limit().value_or(100) >= 100);
}

TEST_CASE("CallLimit: sixteen times as many calls as can be taken are cut, too",
          "[cluster][call_limit]") {
  Station station{16ms};
  station.run(60s, 1ms);  // they work through what came in the first second, too
  station.count_anew();
  station.run(30s, 1ms);
  REQUIRE(station.limit.limit());
  CHECK(station.in_time > 0.9 * 30s / 16ms);
}

TEST_CASE("CallLimit: a limit that helps nothing is taken back, for a while",
          "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  int n_limited = 0;
  const auto wait_for_news = [&](std::chrono::seconds duration) {
    std::deque<TimePoint> calls;
    for (const TimePoint until = now + duration; now < until; now += 10ms) {
      if (limit.admit(kCaller, now)) {
        calls.push_back(now);
      }
      n_limited += limit.limit() ? 1 : 0;
      while (!calls.empty() && calls.front() + 1s <= now) {  // every second call hears of something
        const bool is_late = calls.front().time_since_epoch() / 10ms % 2 == 0;
        limit.leave(kCaller, is_late ? CallEnd::late : CallEnd::in_time, calls.front(), now);
        calls.pop_front();
      }
    }
    for (const TimePoint began_at : calls) {
      limit.leave(kCaller, CallEnd::in_time, began_at, now);
    }
  };

  wait_for_news(60s);
  CHECK(n_limited > 0);
  CHECK_FALSE(limit.limit());
  n_limited = 0;
  wait_for_news(300s);
  CHECK(n_limited == 0);
}

TEST_CASE("CallLimit: it is never so low that nothing gets through", "[cluster][call_limit]") {
  Station station{100ms, 50ms};  // whatever comes is late
  station.run(60s, 1ms);
  REQUIRE(station.limit.limit());
  CHECK(*station.limit.limit() >= AdaptiveLimit::kLeast);
}

TEST_CASE("CallLimit: calls that wait for something beside others that are quick are no load",
          "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  for (int i = 0; i < 10'000; ++i, now += 1ms) {
    REQUIRE(limit.admit(kCaller, now));
    limit.leave(kCaller, i % 2 == 0 ? CallEnd::late : CallEnd::quick, now, now);
  }
  CHECK_FALSE(limit.limit());
}

TEST_CASE("CallLimit: one caller that gives its calls no time brings no limit upon others",
          "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  for (int i = 0; i < 10'000; ++i, now += 1ms) {
    REQUIRE(limit.admit(kCaller, now));
    limit.leave(kCaller, CallEnd::late, now, now);
    if (i % 10 == 0) {
      REQUIRE(limit.admit(kOther, now));
      limit.leave(kOther, CallEnd::in_time, now, now);
    }
  }
  CHECK_FALSE(limit.limit());
}

TEST_CASE("CallLimit: a flood leaves each other caller its part", "[cluster][call_limit]") {
  OneWorker limit;
  TimePoint now{1h};
  for (int i = 0; i < 200; ++i) {
    REQUIRE(limit.admit(kCaller, now));
  }
  for (int i = 0; i < 50; ++i) {
    limit.leave(kCaller, CallEnd::late, now, now);
  }
  now += 1s;
  REQUIRE_FALSE(limit.admit(kCaller, now));  // which has 150 under way of 100

  std::uint32_t n_admitted = 0;
  while (limit.admit(kOther, now)) {
    ++n_admitted;
  }

  CHECK(n_admitted == 50);
  CHECK_FALSE(limit.admit(kCaller, now));
}

TEST_CASE("CallLimit: it holds for all workers together, and each caller's part of it too",
          "[cluster][call_limit]") {
  CallLimit limit;
  CallLimit::Part& one = limit.add_part();
  CallLimit::Part& other = limit.add_part();
  TimePoint now{1h};
  for (int i = 0; i < 100; ++i) {
    REQUIRE(limit.admit(one, kCaller, now));
    REQUIRE(limit.admit(other, kCaller, now));
  }
  for (int i = 0; i < 25; ++i) {
    limit.leave(one, kCaller, CallEnd::late, now, now);
    limit.leave(other, kCaller, CallEnd::late, now, now);
  }
  now += 1s;

  CHECK_FALSE(limit.admit(other, kCaller, now));  // 150 are under way
  CHECK(limit.limit() == 100);
  CHECK_FALSE(limit.admit(one, kCaller, now));
  std::uint32_t n_admitted = 0;
  while (limit.admit(n_admitted % 2 == 0 ? one : other, kOther, now)) {
    ++n_admitted;
  }
  CHECK(n_admitted == 50);
}

TEST_CASE("CallLimit: threads that admit and end calls lose none of them",
          "[cluster][call_limit]") {
  constexpr std::size_t kThreads = 4;
  constexpr std::uint32_t kLimit = 100;
  CallLimit limit;
  TimePoint begin{1h};
  {
    CallLimit::Part& first = limit.add_part();  // of a worker that has brought the limit about
    for (std::uint32_t i = 0; i < 2 * kLimit; ++i) {
      REQUIRE(limit.admit(first, kCaller, begin));
    }
    for (std::uint32_t i = 0; i < 2 * kLimit; ++i) {
      limit.leave(first, kCaller, CallEnd::late, begin, begin);
    }
    begin += 1s;
    REQUIRE(limit.admit(first, kCaller, begin));
    limit.leave(first, kCaller, CallEnd::in_time, begin, begin);
    REQUIRE(limit.limit() == kLimit);
  }

  std::atomic<std::uint32_t> n_under_way{0};
  std::atomic<std::uint32_t> most{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&limit, &n_under_way, &most, begin] {
      CallLimit::Part& own = limit.add_part();
      std::deque<TimePoint> calls;
      for (int n = 0; n < 20'000; ++n) {
        const TimePoint now = begin + n * 10us;  // two windows
        if (limit.admit(own, kCaller, now)) {
          calls.push_back(now);
          const std::uint32_t seen = ++n_under_way;
          for (std::uint32_t before = most; before < seen;) {
            most.compare_exchange_weak(before, seen);
          }
        }
        if (calls.size() > 90 || (n % 3 == 0 && !calls.empty())) {
          --n_under_way;
          limit.leave(own, kCaller, CallEnd::in_time, calls.front(), now);
          calls.pop_front();
        }
      }
      for (const TimePoint began_at : calls) {
        --n_under_way;
        limit.leave(own, kCaller, CallEnd::in_time, began_at, begin + 1s);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  CHECK(limit.n_under_way() == 0);
  CHECK(most > kLimit / 2);
  CHECK(most <= kLimit + 3 + kThreads);  // grown a little, and exceeded by one of each
}

TEST_CASE("CallLimit: it is gone when the load is, however many workers have a little of it",
          "[cluster][call_limit]") {
  constexpr std::size_t kWorkers = 8;
  CallLimit limit;
  std::vector<CallLimit::Part*> workers;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    workers.push_back(&limit.add_part());
  }
  TimePoint now{1h};
  for (int i = 0; i < 20; ++i) {
    REQUIRE(limit.admit(*workers[0], kCaller, now));
  }
  for (int i = 0; i < 20; ++i) {
    limit.leave(*workers[0], kCaller, CallEnd::late, now, now);
  }
  now += 1s;
  REQUIRE(limit.admit(*workers[0], kCaller, now));
  limit.leave(*workers[0], kCaller, CallEnd::in_time, now, now);
  REQUIRE(limit.limit() == AdaptiveLimit::kLeast);

  for (std::size_t i = 0; i < 1200; ++i, now += 10ms) {  // one at a time
    CallLimit::Part& worker = *workers[i % kWorkers];
    REQUIRE(limit.admit(worker, kCaller, now));
    limit.leave(worker, kCaller, CallEnd::in_time, now, now);
  }

  CHECK(limit.limit() == CallLimit::kNone);
}
