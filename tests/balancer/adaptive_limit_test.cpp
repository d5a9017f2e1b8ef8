// SPDX-License-Identifier: Apache-2.0
#include "balancer/adaptive_limit.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>

#include <catch2/catch.hpp>

namespace {

using namespace std::chrono_literals;
using balancer::AdaptiveLimit;
using balancer::TimePoint;
using Duration = TimePoint::duration;

/// Endpoints that take up one call after the other, each for the same time, and callers that give
/// up.
class Station {
 public:
  explicit Station(Duration service_time, Duration deadline = 1s)
      : service_time_{service_time}, deadline_{deadline} {}

  AdaptiveLimit limit;
  int refused = 0;
  int in_time = 0;
  int late = 0;

  /// Calls come at equal intervals.
  void run(Duration duration, Duration interval) {
    const TimePoint until = now_ + duration;
    for (; now_ < until; now_ += interval) {
      end_those_due();
      if (!limit.admit(now_)) {
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
      limit.leave(call.is_late, call.began_at);
    }
  }

  Duration service_time_;
  Duration deadline_;
  TimePoint now_{1h};
  std::deque<Call> calls_;
  TimePoint free_at_{};
};

}  // namespace

TEST_CASE("AdaptiveLimit: there is none while calls end in time", "[adaptive_limit]") {
  Station station{2ms};
  station.run(60s, 2100us);
  CHECK(station.refused == 0);
  CHECK(station.late == 0);
  CHECK_FALSE(station.limit.limit());
}

TEST_CASE("AdaptiveLimit: overloaded endpoints give nearly all that they can", "[adaptive_limit]") {
  Station station{2ms};      // 500 a second
  station.run(10s, 1333us);  // 750 a second
  station.in_time = 0;
  station.late = 0;
  station.refused = 0;
  station.run(50s, 1333us);
  CHECK(station.in_time > 0.9 * 500 * 50);
  CHECK(station.late < 0.1 * 500 * 50);
  CHECK(station.refused > 0.9 * 250 * 50);
}

TEST_CASE("AdaptiveLimit: it is gone when the load is", "[adaptive_limit]") {
  Station station{2ms};
  station.run(20s, 1ms);
  REQUIRE(station.limit.limit());
  station.run(20s, 4ms);
  CHECK_FALSE(station.limit.limit());
  station.refused = 0;
  station.run(10s, 4ms);
  CHECK(station.refused == 0);
}

TEST_CASE("AdaptiveLimit: single late calls are no overload", "[adaptive_limit]") {
  AdaptiveLimit limit;
  TimePoint now{1h};
  for (int i = 0; i < 10'000; ++i, now += 1ms) {
    REQUIRE(limit.admit(now));
    limit.leave(i % 20 == 0, now);
  }
  CHECK_FALSE(limit.limit());
}

TEST_CASE("AdaptiveLimit: calls from before the cut do not cut it again", "[adaptive_limit]") {
  AdaptiveLimit limit;
  TimePoint now{1h};
  const TimePoint before = now;
  for (int i = 0; i < 200; ++i) {
    REQUIRE(limit.admit(now));
  }
  for (int i = 0; i < 50; ++i) {
    limit.leave(true, before);
  }
  now += 1s;
  REQUIRE_FALSE(limit.admit(now));  // 150 under way of 100
  CHECK(limit.limit() == 100);
  for (int i = 0; i < 149; ++i) {
    limit.leave(true, before);
  }
  for (int i = 0; i < 30; ++i) {
    now += 10ms;
    REQUIRE(limit.admit(now));
    limit.leave(false, now);
  }
  CHECK(limit.limit().value_or(100) >= 100);
}

TEST_CASE("AdaptiveLimit: it is never so low that nothing gets through", "[adaptive_limit]") {
  Station station{100ms, 50ms};  // whatever comes is late
  station.run(60s, 1ms);
  REQUIRE(station.limit.limit());
  CHECK(*station.limit.limit() >= AdaptiveLimit::kLeast);
}
