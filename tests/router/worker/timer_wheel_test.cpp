// SPDX-License-Identifier: Apache-2.0
#include "router/worker/timer_wheel.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::TimePoint;
using router::Timer;
using router::TimerWheel;

namespace {

constexpr TimePoint kStart = TimePoint{} + 1h;  // the test owns the time; nothing sleeps

/// Something with a deadline; runs `action` when it fires.
struct Waiter {
  void on_timer() {
    ++fired;
    action();
  }

  int fired = 0;
  std::function<void()> action = [] {};
  Timer timer{router::on_timer<&Waiter::on_timer>, this};
};

}  // namespace

TEST_CASE("TimerWheel: a timer fires once, never early, at most a tick late", "[worker]") {
  const auto delay = GENERATE(1ms, 4ms, 5ms, 100ms, 4095ms, 4096ms, 10s, 1h);
  CAPTURE(delay.count());
  TimerWheel wheel{kStart};
  Waiter waiter;
  wheel.arm(waiter.timer, kStart + delay);

  wheel.advance(kStart + delay - 1ns);
  CHECK(waiter.fired == 0);
  wheel.advance(kStart + delay + TimerWheel::kTick);
  CHECK(waiter.fired == 1);
  wheel.advance(kStart + 2 * delay + 10s);

  CHECK(waiter.fired == 1);
  CHECK_FALSE(waiter.timer.is_armed());
}

TEST_CASE("TimerWheel: a time that has passed fires at the next advance", "[worker]") {
  TimerWheel wheel{kStart};
  Waiter waiter;
  wheel.advance(kStart + 1s);

  wheel.arm(waiter.timer, kStart);
  wheel.advance(kStart + 1s);

  CHECK(waiter.fired == 1);
}

TEST_CASE("TimerWheel: a cancelled timer does not fire", "[worker]") {
  TimerWheel wheel{kStart};
  Waiter waiter;
  wheel.arm(waiter.timer, kStart + 10ms);

  waiter.timer.cancel();
  wheel.advance(kStart + 1s);

  CHECK(waiter.fired == 0);
  CHECK_FALSE(wheel.next_wake().has_value());
}

TEST_CASE("TimerWheel: arming again moves the deadline", "[worker]") {
  TimerWheel wheel{kStart};
  Waiter waiter;
  wheel.arm(waiter.timer, kStart + 10ms);

  wheel.arm(waiter.timer, kStart + 50ms);
  wheel.advance(kStart + 40ms);
  CHECK(waiter.fired == 0);
  wheel.advance(kStart + 60ms);

  CHECK(waiter.fired == 1);
}

TEST_CASE("TimerWheel: a destroyed timer leaves the wheel", "[worker]") {
  TimerWheel wheel{kStart};
  auto waiter = std::make_unique<Waiter>();
  wheel.arm(waiter->timer, kStart + 10ms);

  waiter.reset();
  wheel.advance(kStart + 1s);

  CHECK_FALSE(wheel.next_wake().has_value());
}

TEST_CASE("TimerWheel: a callback may arm its own timer again", "[worker]") {
  TimerWheel wheel{kStart};
  Waiter waiter;
  waiter.action = [&] { wheel.arm(waiter.timer, kStart + waiter.fired * 100ms); };
  wheel.arm(waiter.timer, kStart);

  for (auto now = kStart; now <= kStart + 1s; now += TimerWheel::kTick) {
    wheel.advance(now);
  }

  CHECK(waiter.fired >= 10);
  CHECK(waiter.fired <= 12);
}

TEST_CASE("TimerWheel: a callback may cancel or destroy others due at the same time", "[worker]") {
  TimerWheel wheel{kStart};
  std::vector<std::unique_ptr<Waiter>> waiters;
  int fired = 0;
  for (int i = 0; i < 5; ++i) {
    waiters.push_back(std::make_unique<Waiter>());
    wheel.arm(waiters.back()->timer, kStart + 10ms);
  }
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    waiters[i]->action = [&, i] {
      ++fired;
      for (std::size_t other = 0; other < waiters.size(); ++other) {
        if (other != i) {
          waiters[other].reset();
        }
      }
    };
  }

  wheel.advance(kStart + 20ms);

  CHECK(fired == 1);
  CHECK_FALSE(wheel.next_wake().has_value());
}

TEST_CASE("TimerWheel: the next wake is never later than the first deadline's tick",
          "[worker][property]") {
  const auto seed = GENERATE(range(1U, 50U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  TimerWheel wheel{kStart};
  std::vector<std::unique_ptr<Waiter>> waiters;
  auto first = TimePoint::max();
  for (int i = 0; i < 20; ++i) {
    const auto at = kStart + std::uniform_int_distribution{0, 20'000}(rng)*1ms;
    first = std::min(first, at);
    waiters.push_back(std::make_unique<Waiter>());
    wheel.arm(waiters.back()->timer, at);
  }

  CHECK(wheel.next_wake().value() <= first + TimerWheel::kTick);
}

TEST_CASE("TimerWheel: following its wakes fires everything in time, and ends",
          "[worker][property]") {
  const auto seed = GENERATE(range(1U, 50U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  TimerWheel wheel{kStart};
  std::vector<std::unique_ptr<Waiter>> waiters;
  auto now = kStart;
  auto latest = 0ns;
  for (int i = 0; i < 100; ++i) {
    const auto at = kStart + std::uniform_int_distribution{0, 20'000}(rng)*1ms;
    waiters.push_back(std::make_unique<Waiter>());
    waiters.back()->action = [&, at] {
      CHECK(now >= at);
      latest = std::max(latest, now - at);
    };
    wheel.arm(waiters.back()->timer, at);
  }

  int turns = 0;
  while (const auto wake = wheel.next_wake()) {
    REQUIRE(++turns < 10'000);
    now = std::max(now, *wake);
    wheel.advance(now);
  }

  for (const auto& waiter : waiters) {
    CHECK(waiter->fired == 1);
  }
  CHECK(latest <= 2 * TimerWheel::kTick);
}
