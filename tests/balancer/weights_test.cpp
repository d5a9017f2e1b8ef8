// SPDX-License-Identifier: Apache-2.0
// What endpoints get whose weights differ, under each policy: in simulated time, from fixed seeds.
#include "tests/balancer/simulation.hpp"
#include "tests/support/seeds.hpp"

#include <chrono>
#include <cstddef>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Nanoseconds;
using balancer::Rng;

namespace {

struct NamedPolicy {
  const char* name;
  test::Pick (*make)();
};

/// 5 ms, half of it by chance.
Nanoseconds about_five_ms(std::size_t /*pod*/, Nanoseconds /*at*/, Rng& rng) {
  return std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double, std::milli>{
      std::uniform_real_distribution<double>{2.5, 7.5}(rng)});
}

}  // namespace

TEST_CASE("weights: equal pods of weights 1 and 3 get shares of 1 to 3, at any load",
          "[balancer][property]") {
  const auto seed = GENERATE(test::seeds(3, 30));
  const auto policy = GENERATE(values<NamedPolicy>({{"peak_ewma", test::make_peak_ewma},
                                                    {"least_request", test::make_least_request},
                                                    {"round_robin", test::make_round_robin},
                                                    {"random", test::make_random},
                                                    {"ring_hash", test::make_ring_hash},
                                                    {"maglev", test::make_maglev}}));
  const double in_flight = GENERATE(0.1, 1.0, 4.0, 30.0);  // for each pod
  const std::size_t n_pairs = GENERATE(1U, 4U);
  CAPTURE(seed, policy.name, in_flight, n_pairs);
  test::Scenario scenario{.n_pods = 2 * n_pairs, .work = about_five_ms};
  scenario.requests_per_second = in_flight * static_cast<double>(scenario.n_pods) / 0.005;
  scenario.duration =
      std::chrono::duration_cast<Nanoseconds>(20'000s / scenario.requests_per_second);
  for (std::size_t i = 0; i < n_pairs; ++i) {
    scenario.weights.insert(scenario.weights.end(), {1, 3});
  }

  const test::Outcome outcome = test::Simulation{scenario, policy.make, seed}.run();

  double light = 0;
  for (std::size_t pod = 0; pod < scenario.n_pods; pod += 2) {
    light += outcome.shares.at(pod) / static_cast<double>(n_pairs);
  }
  CHECK(light == Approx(0.5).epsilon(0.1));
  CHECK(outcome.in_flight_at_end == 0);
}

TEST_CASE("weights: a pod ten times slower gets next to nothing, whatever it weighs",
          "[balancer][property]") {
  const auto seed = GENERATE(test::seeds(3, 30));
  CAPTURE(seed);
  const test::Scenario scenario{.duration = 20s,
                                .n_threads = 8,
                                .work =
                                    [](std::size_t pod, Nanoseconds at, Rng& rng) {
                                      return about_five_ms(pod, at, rng) * (pod == 0 ? 10 : 1);
                                    },
                                .weights = {3, 1, 1, 1, 1}};

  const test::Outcome outcome = test::Simulation{scenario, test::make_peak_ewma, seed}.run();

  CHECK(outcome.shares[0] <= 0.1);
}
