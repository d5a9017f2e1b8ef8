// SPDX-License-Identifier: Apache-2.0
#include "balancer/outlier.hpp"

#include "tests/support/seeds.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Ejection;
using balancer::EjectionCause;
using balancer::Health;
using balancer::Outliers;
using balancer::Resort;

namespace {

constexpr balancer::TimePoint kStart{std::chrono::hours{1}};

constexpr balancer::EjectionRules kRules{.consecutive = 5,
                                         .by_success_rate = true,
                                         .latency_factor = 5,
                                         .min_penalty = 1s,
                                         .max_penalty = 60s,
                                         .max_percent = 50,
                                         .panic_percent = 20};

/// Endpoints of one Service, and the time.
struct Endpoints {
  explicit Endpoints(std::size_t n,
                     const balancer::EjectionRules& rules = kRules,
                     std::uint32_t seed = 1)
      : health(n), outliers{rules, seed} {
    adopt();
  }

  void adopt() {
    std::vector<Health*> endpoints;
    for (Health& each : health) {
      endpoints.push_back(&each);
    }
    outliers.adopt(std::move(endpoints));
  }

  /// Failures in a row, until it is ejected or `n` have ended.
  std::optional<Ejection> fail(std::size_t index, int n = 5) {
    std::optional<Ejection> ejection;
    for (int i = 0; i < n && !ejection; ++i) {
      ejection = outliers.on_failure(index, now - 1ms, now);
    }
    return ejection;
  }

  /// A probe that ends after 1 ms.
  bool probe(std::size_t index, bool succeeds) {
    REQUIRE(outliers.due_probe(now) == index);
    outliers.begin_probe(index, now);
    now += 1ms;
    if (!succeeds) {
      REQUIRE(outliers.on_failure(index, now - 1ms, now));
    }
    return succeeds && outliers.on_success(index, now - 1ms, 1ms, now);
  }

  [[nodiscard]] std::size_t n_admitted(Resort resort) const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < health.size(); ++i) {
      n += outliers.admits(i, resort, now) ? 1 : 0;
    }
    return n;
  }

  /// An interval in which each endpoint has had a hundred outcomes, `n_failed[i]` of them failures
  /// and the others after `rtts[i]`. Those that were ejected at its end.
  std::vector<Ejection> interval(const std::vector<int>& n_failed,
                                 const std::vector<balancer::Nanoseconds>& rtts) {
    CHECK(outliers.compare(now).empty());
    for (std::size_t i = 0; i < health.size(); ++i) {
      for (int k = 0; k < 100; ++k) {
        // Evenly spread, so that no five of them come in a row.
        if ((k + 1) * n_failed[i] / 100 > k * n_failed[i] / 100) {
          CHECK_FALSE(outliers.on_failure(i, now - 1ms, now));
        } else {
          outliers.on_success(i, now - rtts[i], rtts[i], now);
        }
      }
    }
    now += Outliers::kInterval;
    return outliers.compare(now);
  }

  std::deque<Health> health;
  Outliers outliers;
  balancer::TimePoint now = kStart;
};

}  // namespace

TEST_CASE("Outliers: failures in a row eject, a reply between them does not", "[balancer]") {
  Endpoints endpoints{3};
  CHECK_FALSE(endpoints.fail(1, 4));
  endpoints.outliers.on_success(1, endpoints.now - 1ms, 1ms, endpoints.now);
  CHECK_FALSE(endpoints.fail(1, 4));

  const auto ejection = endpoints.fail(1, 1);

  REQUIRE(ejection);
  CHECK(ejection->index == 1);
  CHECK(ejection->cause == EjectionCause::consecutive);
  CHECK_FALSE(endpoints.outliers.admits(1, Resort::in_service, endpoints.now));
  CHECK(endpoints.n_admitted(Resort::in_service) == 2);
}

TEST_CASE("Outliers: a connect that failed ejects at once, and one that succeeds ends that",
          "[balancer]") {
  Endpoints endpoints{3};

  const auto ejection = endpoints.outliers.on_connect_failed(0, endpoints.now);

  REQUIRE(ejection);
  CHECK(ejection->cause == EjectionCause::connect);
  CHECK_FALSE(endpoints.outliers.admits(0, Resort::reachable, endpoints.now));
  CHECK(endpoints.outliers.admits(0, Resort::any, endpoints.now));
  CHECK_FALSE(endpoints.outliers.on_connect_failed(0, endpoints.now));  // the same outage
  CHECK(endpoints.outliers.on_connected(0, endpoints.now));
  CHECK(endpoints.outliers.n_ejected() == 0);
}

TEST_CASE("Outliers: after the penalty one probe goes there, and its success ends the ejection",
          "[balancer]") {
  Endpoints endpoints{3};
  const auto ejection = endpoints.fail(2);
  REQUIRE(ejection);
  CHECK_FALSE(endpoints.outliers.due_probe(endpoints.now + ejection->penalty - 1ns));

  endpoints.now += ejection->penalty;
  REQUIRE(endpoints.outliers.due_probe(endpoints.now) == 2U);
  endpoints.outliers.begin_probe(2, endpoints.now);

  CHECK_FALSE(endpoints.outliers.due_probe(endpoints.now));
  CHECK_FALSE(endpoints.outliers.admits(2, Resort::in_service, endpoints.now));
  endpoints.now += 1ms;
  // Of a request that was under way before the probe: tells nothing.
  CHECK_FALSE(endpoints.outliers.on_success(2, endpoints.now - 2ms, 2ms, endpoints.now));
  CHECK(endpoints.outliers.on_success(2, endpoints.now - 1ms, 1ms, endpoints.now));
  CHECK(endpoints.outliers.admits(2, Resort::in_service, endpoints.now));
}

TEST_CASE("Outliers: a probe that hangs is repeated after the penalty, an unsent one at once",
          "[balancer]") {
  Endpoints endpoints{3};
  const auto ejection = endpoints.fail(0);
  REQUIRE(ejection);
  endpoints.now += ejection->penalty;
  endpoints.outliers.begin_probe(0, endpoints.now);

  CHECK_FALSE(endpoints.outliers.due_probe(endpoints.now + ejection->penalty - 1ns));
  CHECK(endpoints.outliers.due_probe(endpoints.now + ejection->penalty) == 0U);
  endpoints.outliers.on_nothing_learnt(0, endpoints.now, endpoints.now);
  CHECK(endpoints.outliers.due_probe(endpoints.now) == 0U);
}

TEST_CASE("Outliers: the penalty doubles from least to most, with up to half of it added",
          "[balancer][property]") {
  const auto seed = GENERATE(test::seeds(20, 1000));
  CAPTURE(seed);
  Endpoints endpoints{3, kRules, seed};
  auto ejection = endpoints.fail(0);

  for (balancer::Nanoseconds base = 1s; base <= 512s; base *= 2) {
    REQUIRE(ejection);
    const balancer::Nanoseconds bounded = std::min<balancer::Nanoseconds>(base, 60s);
    CHECK(ejection->penalty >= bounded);
    CHECK(ejection->penalty <= bounded * 3 / 2);
    endpoints.now += ejection->penalty;
    endpoints.outliers.begin_probe(0, endpoints.now);
    ejection = endpoints.outliers.on_failure(0, endpoints.now, endpoints.now);
  }
}

TEST_CASE("Outliers: time in service forgives the doublings one by one", "[balancer]") {
  Endpoints endpoints{3};
  const auto penalty_after = [&](balancer::Nanoseconds in_service) {
    endpoints.now += in_service;
    const auto ejection = endpoints.fail(0);
    REQUIRE(ejection);
    endpoints.now += ejection->penalty;
    CHECK(endpoints.probe(0, true));
    return ejection->penalty;
  };

  CHECK(penalty_after(0s) < 2s);
  CHECK(penalty_after(0s) >= 2s);
  CHECK(penalty_after(0s) >= 4s);
  CHECK(penalty_after(Outliers::kForgiveness) >= 4s);  // of three, one is forgiven
  CHECK(penalty_after(Outliers::kForgiveness * 4) < 2s);
}

TEST_CASE("Outliers: at most the given share is ejected by verdicts, and never the last one",
          "[balancer][property]") {
  const auto seed = GENERATE(test::seeds(20, 1000));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const std::size_t n = 1 + rng() % 12;
  balancer::EjectionRules rules = kRules;
  rules.max_percent = static_cast<std::uint32_t>(rng() % 101);
  CAPTURE(n, rules.max_percent);
  Endpoints endpoints{n, rules, seed};

  for (int i = 0; i < 2000; ++i) {
    endpoints.now += std::chrono::milliseconds{rng() % 200};
    if (const auto due = endpoints.outliers.due_probe(endpoints.now)) {
      endpoints.outliers.begin_probe(*due, endpoints.now);
    }
    const std::size_t index = rng() % n;
    switch (rng() % 12) {
      case 0:
        endpoints.outliers.on_success(index, endpoints.now, 0ms, endpoints.now);
        break;
      case 1:
        endpoints.outliers.on_connected(index, endpoints.now);
        break;
      default:
        endpoints.outliers.on_failure(index, endpoints.now, endpoints.now);
        break;
    }
    const auto n_ejected = static_cast<std::size_t>(
        std::count_if(endpoints.health.begin(), endpoints.health.end(), [](const Health& each) {
          return each.is_ejected();
        }));
    REQUIRE(n_ejected * 100 <= n * rules.max_percent);
    REQUIRE(n_ejected < n);
  }
}

TEST_CASE("Outliers: an endpoint is not ejected while all others cannot be connected",
          "[balancer]") {
  Endpoints endpoints{4};
  for (std::size_t i = 1; i < 4; ++i) {
    CHECK(endpoints.outliers.on_connect_failed(i, endpoints.now));
  }

  CHECK_FALSE(endpoints.fail(0, 50));

  CHECK(endpoints.n_admitted(Resort::in_service) == 1);
}

TEST_CASE("Outliers: the one that fails more often than the others is ejected", "[balancer]") {
  const std::vector<balancer::Nanoseconds> even(5, 1ms);
  Endpoints endpoints{5};

  const auto ejected = endpoints.interval({0, 0, 40, 0, 2}, even);

  REQUIRE(ejected.size() == 1);
  CHECK(ejected[0].index == 2);
  CHECK(ejected[0].cause == EjectionCause::success_rate);
}

TEST_CASE("Outliers: failures that all have alike eject nobody", "[balancer]") {
  const std::vector<balancer::Nanoseconds> even(5, 1ms);
  const std::vector<int> n_failed =
      GENERATE(std::vector<int>{30, 33, 27, 31, 36}, std::vector<int>{0, 0, 0, 8, 0});
  Endpoints endpoints{5};

  CHECK(endpoints.interval(n_failed, even).empty());
}

TEST_CASE("Outliers: a comparison needs two others, and enough outcomes", "[balancer]") {
  Endpoints two{2};
  CHECK(two.interval({0, 50}, {1ms, 1ms}).empty());

  Endpoints idle{3};
  CHECK(idle.outliers.compare(idle.now).empty());
  for (std::uint32_t i = 0; i + 1 < Outliers::kMinVolume; ++i) {
    idle.outliers.on_success(0, idle.now - 1ms, 1ms, idle.now);
    idle.outliers.on_success(1, idle.now - 1ms, 1ms, idle.now);
    idle.outliers.on_success(2, idle.now - 1s, 1s, idle.now);
  }
  idle.now += Outliers::kInterval;
  CHECK(idle.outliers.compare(idle.now).empty());
}

TEST_CASE("Outliers: the one that replies much more slowly is ejected, slower by a little is not",
          "[balancer]") {
  Endpoints endpoints{3};
  const std::vector<int> none{0, 0, 0};
  CHECK(endpoints.interval(none, {5ms, 6ms, 20ms}).empty());
  CHECK(endpoints.interval(none, {100us, 100us, 3ms}).empty());  // 30 times, but what is 3 ms

  const auto ejected = endpoints.interval(none, {5ms, 60ms, 6ms});

  REQUIRE(ejected.size() == 1);
  CHECK(ejected[0].index == 1);
  CHECK(ejected[0].cause == EjectionCause::latency);
}

TEST_CASE("Outliers: a probe that is as slow as before does not end an ejection for latency",
          "[balancer]") {
  Endpoints endpoints{3};
  const auto ejected = endpoints.interval({0, 0, 0}, {5ms, 5ms, 200ms});
  REQUIRE(ejected.size() == 1);
  endpoints.now += ejected[0].penalty;
  endpoints.outliers.begin_probe(2, endpoints.now);
  endpoints.now += 200ms;

  CHECK_FALSE(endpoints.outliers.on_success(2, endpoints.now - 200ms, 200ms, endpoints.now));

  endpoints.now += 3s;  // twice the penalty, and half of it
  CHECK(endpoints.probe(2, true));
}

TEST_CASE("Outliers: some stray slow replies make no outlier", "[balancer]") {
  Endpoints endpoints{3};
  CHECK(endpoints.outliers.compare(endpoints.now).empty());
  for (int i = 0; i < 100; ++i) {
    endpoints.outliers.on_success(0, endpoints.now - 1ms, 1ms, endpoints.now);
    endpoints.outliers.on_success(1, endpoints.now - 1ms, 1ms, endpoints.now);
    const balancer::Nanoseconds rtt = i % 20 == 0 ? 3s : 1ms;
    endpoints.outliers.on_success(2, endpoints.now - rtt, rtt, endpoints.now);
  }
  endpoints.now += Outliers::kInterval;

  CHECK(endpoints.outliers.compare(endpoints.now).empty());
}

TEST_CASE("Outliers: too few left is panic, in which verdicts count for nothing", "[balancer]") {
  balancer::EjectionRules rules = kRules;
  rules.panic_percent = 40;
  Endpoints endpoints{6, rules};
  REQUIRE(endpoints.fail(0));
  REQUIRE(endpoints.fail(1));
  REQUIRE(endpoints.fail(2));
  CHECK_FALSE(endpoints.outliers.is_panic());  // three of six

  REQUIRE(endpoints.outliers.on_connect_failed(3, endpoints.now));
  CHECK_FALSE(endpoints.outliers.is_panic());  // two of five that can be connected
  REQUIRE(endpoints.outliers.on_connect_failed(4, endpoints.now));

  CHECK(endpoints.outliers.is_panic());
  CHECK(endpoints.n_admitted(Resort::reachable) == 4);
  CHECK(endpoints.n_admitted(Resort::any) == 6);
}

TEST_CASE("Outliers: where panic is forbidden, no resort admits what a verdict has ejected",
          "[balancer]") {
  balancer::EjectionRules rules = kRules;
  rules.panic_percent = 0;
  Endpoints endpoints{2, rules};
  REQUIRE(endpoints.fail(0));
  endpoints.health.pop_back();  // the one in service goes
  endpoints.adopt();

  CHECK_FALSE(endpoints.outliers.is_panic());
  CHECK(endpoints.n_admitted(Resort::any) == 0);
}

TEST_CASE("Outliers: an endpoint that asked for it is left alone for that time", "[balancer]") {
  Endpoints endpoints{2};

  endpoints.health[0].leave_alone(3s, endpoints.now);
  endpoints.health[0].leave_alone(1s, endpoints.now);

  CHECK_FALSE(endpoints.outliers.admits(0, Resort::in_service, endpoints.now + 3s - 1ns));
  CHECK(endpoints.outliers.admits(0, Resort::reachable, endpoints.now));
  CHECK(endpoints.outliers.admits(0, Resort::in_service, endpoints.now + 3s));
}

TEST_CASE("Outliers: a connect that fails after its probe has left makes the penalty longer",
          "[balancer]") {
  Endpoints endpoints{3};
  const auto first = endpoints.outliers.on_connect_failed(2, endpoints.now);
  REQUIRE(first);
  endpoints.now += first->penalty;
  endpoints.outliers.begin_probe(2, endpoints.now);
  endpoints.outliers.on_nothing_learnt(2, endpoints.now, endpoints.now + 20ms);
  endpoints.now += 1s;

  const auto second = endpoints.outliers.on_connect_failed(2, endpoints.now);

  REQUIRE(second);
  CHECK(second->penalty > first->penalty);
}

TEST_CASE("Outliers: a stream that began before the probe is no answer to it", "[balancer]") {
  Endpoints endpoints{3};
  const balancer::TimePoint before = endpoints.now;
  REQUIRE(endpoints.fail(2));
  endpoints.now += 2s;
  REQUIRE(endpoints.outliers.due_probe(endpoints.now) == 2U);
  endpoints.outliers.begin_probe(2, endpoints.now);
  endpoints.now += 10ms;

  // Its head came 1 ms after its request, long ago; its end comes now.
  CHECK_FALSE(endpoints.outliers.on_success(2, before, 1ms, endpoints.now));
  CHECK_FALSE(endpoints.outliers.on_failure(2, before, endpoints.now));
  CHECK(endpoints.health[2].is_ejected());
  CHECK(endpoints.outliers.on_success(2, endpoints.now - 10ms, 1ms, endpoints.now));
}

TEST_CASE("Outliers: failures in a row that somebody else has seen count, too", "[balancer]") {
  Endpoints endpoints{3};

  CHECK_FALSE(endpoints.outliers.on_failure(1, endpoints.now - 1ms, endpoints.now, 4));

  CHECK(endpoints.outliers.on_failure(1, endpoints.now - 1ms, endpoints.now, 5));
}

TEST_CASE("Outliers: a verdict that is taken over holds as if it had been passed here",
          "[balancer]") {
  Endpoints here{4};
  Endpoints there{4};
  REQUIRE(there.fail(1));

  here.outliers.take_over(1, there.outliers.verdict(1));

  CHECK_FALSE(here.outliers.admits(1, Resort::in_service, here.now));
  CHECK(here.fail(2));
  CHECK_FALSE(here.fail(3));  // two of four are out
  here.now += 2s;
  CHECK(here.outliers.due_probe(here.now) == 1U);
  CHECK(here.probe(1, true));
  there.outliers.take_over(1, here.outliers.verdict(1));
  CHECK(there.outliers.are_all_in_service());
}
