// SPDX-License-Identifier: Apache-2.0
#include "balancer/slow_start.hpp"

#include "tests/balancer/simulation.hpp"

#include <chrono>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Nanoseconds;
using balancer::Rng;
using balancer::TimePoint;
using test::Pick;

namespace {

constexpr Nanoseconds kWindow = 30s;

/// The same policy, with a ramp for pod 0, which has come at the start.
Pick with_slow_start(Pick pick) {
  return [pick = std::move(pick)](
             const std::vector<balancer::Candidate>& candidates, TimePoint now, Rng& rng) {
    std::vector<balancer::Candidate> weighted = candidates;
    weighted[0].weight = balancer::slow_start_share(now.time_since_epoch(), kWindow);
    return pick(weighted, now, rng);
  };
}

/// 5 ms in the mean; of pod 0 ten times as much at first, and less and less until it is warm.
Nanoseconds warming(std::size_t pod, Nanoseconds at, Rng& rng) {
  const double age = std::chrono::duration<double>{at} / kWindow;
  const double times = pod == 0 && age < 1 ? 10 - 9 * age : 1;
  const double seconds = std::exponential_distribution<double>{1 / 0.005}(rng)*times;
  return std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>{seconds});
}

}  // namespace

TEST_CASE("slow_start_share: rises evenly from a tenth to the whole", "[balancer]") {
  CHECK(balancer::slow_start_share(0s, 30s) == 0.1);
  CHECK(balancer::slow_start_share(1s, 30s) == 0.1);
  CHECK(balancer::slow_start_share(15s, 30s) == 0.5);
  CHECK(balancer::slow_start_share(30s, 30s) == 1);
  CHECK(balancer::slow_start_share(1h, 30s) == 1);
  CHECK(balancer::slow_start_share(0s, 0s) == 1);
}

TEST_CASE("slow start: a pod that warms up shows less in p99, and gets requests all the same",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  const auto make_pick = GENERATE(std::function<Pick()>{test::make_least_request},
                                  std::function<Pick()>{test::make_round_robin},
                                  std::function<Pick()>{test::make_random});
  CAPTURE(seed);
  const test::Scenario scenario{
      .duration = kWindow, .n_threads = 4, .work = warming, .deadline = 1s};

  const test::Outcome at_once = test::Simulation{scenario, make_pick, seed}.run();
  const test::Outcome slowly =
      test::Simulation{scenario, [&] { return with_slow_start(make_pick()); }, seed}.run();

  CHECK(slowly.percentile(99) * 4 < at_once.percentile(99) * 3);
  CHECK(slowly.shares[0] > 0.15);
}

TEST_CASE("slow start: peak EWMA sees for itself that a pod warms up", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  CAPTURE(seed);
  const test::Scenario scenario{
      .duration = kWindow, .n_threads = 4, .work = warming, .deadline = 1s};

  const test::Outcome outcome = test::Simulation{scenario, test::make_peak_ewma, seed}.run();

  CHECK(outcome.percentile(99) < 50ms);
  CHECK(outcome.failed == 0);
}
