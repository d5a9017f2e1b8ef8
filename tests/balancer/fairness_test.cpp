// SPDX-License-Identifier: Apache-2.0
// What a caller, and each pod, gets of the policies: in simulated time, from fixed seeds.
#include "tests/balancer/simulation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Nanoseconds;
using balancer::Rng;
using test::Outcome;
using test::Scenario;
using test::Simulation;

namespace {

double uniform(Rng& rng, double low, double high) {
  return std::uniform_real_distribution<double>{low, high}(rng);
}

Nanoseconds from_ms(double milliseconds) {
  return std::chrono::duration_cast<Nanoseconds>(
      std::chrono::duration<double, std::milli>{milliseconds});
}

/// About 1 ms, but one in five hundred replies takes 20 ms.
Nanoseconds with_strays(std::size_t /*pod*/, Nanoseconds /*at*/, Rng& rng) {
  return uniform(rng, 0, 1) < 0.002 ? 20ms : from_ms(uniform(rng, 0.7, 1.3));
}

/// 0.2 ms, and each pod pauses for 20 ms once in a second.
Nanoseconds with_pauses(std::size_t pod, Nanoseconds at, Rng& rng) {
  const Nanoseconds phase = (at + pod * 170ms) % 1s;
  const Nanoseconds rest = phase < 20ms ? 20ms - phase : 0ms;
  return rest + from_ms(uniform(rng, 0.15, 0.25));
}

/// 1 ms in the mean, exponentially distributed: a busy server's queue.
Nanoseconds exponential(std::size_t /*pod*/, Nanoseconds /*at*/, Rng& rng) {
  return from_ms(std::exponential_distribution<double>{1}(rng));
}

/// 5 ms, as in the comparison with other proxies.
Nanoseconds five_ms(std::size_t /*pod*/, Nanoseconds /*at*/, Rng& rng) {
  return from_ms(uniform(rng, 4, 6));
}

/// Pod 0 stands still from 10 s to 20 s.
Nanoseconds freezing(std::size_t pod, Nanoseconds at, Rng& rng) {
  const Nanoseconds work = five_ms(pod, at, rng);
  const bool is_caught = pod == 0 && at < 20s && at + work > 10s;
  return is_caught ? 20s - at + work : work;
}

/// Pod 0 is ten times slower for its first 30 s.
Nanoseconds cold(std::size_t pod, Nanoseconds at, Rng& rng) {
  return five_ms(pod, at, rng) * (pod == 0 && at < 30s ? 10 : 1);
}

void check_even(const Outcome& outcome) {
  CHECK(*std::min_element(outcome.shares.begin(), outcome.shares.end()) >= 0.7);
  CHECK(*std::max_element(outcome.shares.begin(), outcome.shares.end()) <= 1.4);
}

/// The least and the greatest share of a pod in any ten seconds, as multiples of an even one.
std::pair<double, double> extremes_of_any_10s(const Outcome& outcome) {
  constexpr std::size_t kBins = 20;
  const auto& bins = outcome.requests_by_half_second;
  const std::size_t n_pods = outcome.requests.size();
  std::pair<double, double> extremes{1, 1};
  for (std::size_t first = 0; first + kBins <= bins.size(); ++first) {
    std::vector<double> sums(n_pods);
    for (std::size_t bin = first; bin < first + kBins; ++bin) {
      for (std::size_t pod = 0; pod < n_pods; ++pod) {
        sums[pod] += static_cast<double>(bins[bin][pod]);
      }
    }
    const double even =
        std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(n_pods);
    const auto [least, greatest] = std::minmax_element(sums.begin(), sums.end());
    extremes.first = std::min(extremes.first, *least / even);
    extremes.second = std::max(extremes.second, *greatest / even);
  }
  return extremes;
}

Outcome run(const Scenario& scenario, std::uint32_t seed) {
  return Simulation{scenario, test::make_peak_ewma, seed}.run();
}

}  // namespace

TEST_CASE("fairness: equal pods get even shares over any 10 s, noise included",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  const std::size_t n_pods = GENERATE(2U, 3U, 10U, 50U);
  const auto work = GENERATE(with_strays, with_pauses, exponential);
  CAPTURE(seed, n_pods);

  const Outcome outcome = run({.n_pods = n_pods, .duration = 30s, .work = work}, seed);

  REQUIRE(outcome.requests_by_half_second.size() == 60);
  const auto [least, greatest] = extremes_of_any_10s(outcome);
  CHECK(least >= 0.7);
  CHECK(greatest <= 1.4);
}

TEST_CASE("fairness: equal pods stay even at any rate", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  const double rate = GENERATE(50.0, 5000.0);
  CAPTURE(seed, rate);

  check_even(run({.n_pods = 3, .requests_per_second = rate, .work = with_strays}, seed));
}

TEST_CASE("fairness: an endpoint whose first replies were slow is not left out",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 11U));
  CAPTURE(seed);

  const Outcome outcome = run(
      {.n_pods = 3,
       .work = [](std::size_t pod,
                  Nanoseconds at,
                  Rng& rng) { return pod == 0 && at < 500ms ? 20ms : with_strays(pod, at, rng); }},
      seed);

  CHECK(outcome.shares[0] >= 0.7);
}

TEST_CASE("fairness: an endpoint that stalled for 100 ms now and then keeps its share",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 11U));
  CAPTURE(seed);

  const Outcome outcome = run({.n_pods = 3,
                               .work =
                                   [](std::size_t pod, Nanoseconds at, Rng& rng) {
                                     const Nanoseconds phase = at % 3s;
                                     const Nanoseconds stall =
                                         phase < 100ms && at > 1s ? 100ms - phase : 0ms;
                                     return with_strays(pod, at, rng) + (pod == 0 ? stall : 0ms);
                                   }},
                              seed);

  CHECK(outcome.shares[0] >= 0.7);
}

TEST_CASE("fairness: many routers with few requests each are even together",
          "[balancer][property]") {
  const auto policy =
      GENERATE(test::make_peak_ewma, test::make_least_request, test::make_round_robin);
  const auto seed = GENERATE(range(1U, 4U));
  CAPTURE(seed);
  const Scenario scenario{
      .n_pods = 20, .n_routers = 100, .requests_per_second = 1, .duration = 600s, .work = five_ms};

  const Outcome outcome = Simulation{scenario, policy, seed}.run();

  CHECK(*std::min_element(outcome.shares.begin(), outcome.shares.end()) >= 0.95);
  CHECK(*std::max_element(outcome.shares.begin(), outcome.shares.end()) <= 1.05);
}

TEST_CASE("balancing: whatever happens, nothing stays counted in flight, and nobody is starved",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  const auto policy =
      GENERATE(test::make_peak_ewma, test::make_least_request, test::make_round_robin);
  CAPTURE(seed);
  const Scenario scenario{.n_routers = 4,
                          .requests_per_second = 125,
                          .duration = 30s,
                          .n_threads = 2,
                          .work = freezing,
                          .deadline = 300ms,
                          .failing = 1,
                          .failing_share = 0.3};

  const Outcome outcome = Simulation{scenario, policy, seed}.run();

  CHECK(outcome.in_flight_at_end == 0);
  for (const std::uint64_t n_requests : outcome.requests) {
    CHECK(n_requests > 0);
  }
}

TEST_CASE("balancing: near its capacity it does not swing", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  CAPTURE(seed);

  // Four routers that know nothing of each other, 80 % of what the pods can do, each second alone.
  for (Nanoseconds from = 2s; from < 6s; from += 1s) {
    const Outcome outcome = run({.n_routers = 4,
                                 .requests_per_second = 800,
                                 .duration = from + 1s,
                                 .n_threads = 4,
                                 .work = [](std::size_t pod,
                                            Nanoseconds at,
                                            Rng& rng) { return 5 * exponential(pod, at, rng); },
                                 .count_from = from},
                                seed);
    check_even(outcome);
    CHECK(outcome.percentile(99) < 60ms);
  }
}

TEST_CASE("balancing: a pod ten times slower hardly shows in p99", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  CAPTURE(seed);
  const Scenario scenario{
      .duration = 20s, .n_threads = 8, .work = [](auto pod, auto at, auto& rng) {
        return five_ms(pod, at, rng) * (pod == 0 ? 10 : 1);
      }};

  const Outcome ours = run(scenario, seed);
  const Outcome in_turn = Simulation{scenario, test::make_round_robin, seed}.run();

  CHECK(ours.shares[0] <= 0.05);
  CHECK(ours.percentile(99) * 2 < in_turn.percentile(99));
}

TEST_CASE("balancing: a pod that turns a hundred times slower is left within the second",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 11U));
  CAPTURE(seed);

  const Outcome outcome =
      run({.n_pods = 3,
           .duration = 6s,
           .work =
               [](std::size_t pod, Nanoseconds at, Rng& rng) {
                 return with_strays(pod, at, rng) * (pod == 0 && at >= 5s ? 100 : 1);
               },
           .count_from = 5s},
          seed);

  CHECK(outcome.shares[0] <= 0.2);
}

TEST_CASE("balancing: a pod that freezes for 10 s is left, and used again within 10 s",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  CAPTURE(seed);
  const Scenario frozen{
      .duration = 20s, .n_threads = 8, .work = freezing, .deadline = 1s, .count_from = 10s};
  const Scenario afterwards{
      .duration = 40s, .n_threads = 8, .work = freezing, .deadline = 1s, .count_from = 30s};

  const Outcome ours = run(frozen, seed);
  const Outcome in_turn = Simulation{frozen, test::make_round_robin, seed}.run();

  CHECK(ours.shares[0] <= 0.02);
  CHECK(ours.failed * 50 < in_turn.failed);
  CHECK(ours.percentile(99) * 2 < in_turn.percentile(99));
  check_even(run(afterwards, seed));
}

TEST_CASE("balancing: a pod that is cold for 30 s hardly shows in p99, then has its share",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  CAPTURE(seed);
  const Scenario while_cold{.duration = 30s, .n_threads = 8, .work = cold};
  const Scenario afterwards{.duration = 50s, .n_threads = 8, .work = cold, .count_from = 40s};

  const Outcome ours = run(while_cold, seed);
  const Outcome in_turn = Simulation{while_cold, test::make_round_robin, seed}.run();

  CHECK(ours.shares[0] > 0);
  CHECK(ours.percentile(99) * 2 < in_turn.percentile(99));
  check_even(run(afterwards, seed));
}

TEST_CASE("balancing: a pod that fails fast attracts nothing", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  const double failing_share = GENERATE(0.5, 1.0);
  CAPTURE(seed, failing_share);

  const Outcome outcome = run({.duration = 20s,
                               .work =
                                   [](std::size_t pod, Nanoseconds at, Rng& rng) {
                                     return five_ms(pod, at, rng) / (pod == 0 ? 10 : 1);
                                   },
                               .failing = 0,
                               .failing_share = failing_share},
                              seed);

  CHECK(outcome.shares[0] <= 0.05);
}

TEST_CASE("balancing: a stray failure costs nobody its share", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 11U));
  CAPTURE(seed);

  check_even(run({.n_pods = 3, .work = with_strays, .failing = 0, .failing_share = 0.002}, seed));
}
