// SPDX-License-Identifier: Apache-2.0
#include "balancer/spill_over.hpp"

#include "balancer/least_request.hpp"
#include "balancer/peak_ewma_policy.hpp"
#include "tests/balancer/simulation.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::GroupLoad;
using balancer::Nanoseconds;
using balancer::Reach;
using balancer::Rng;
using balancer::TimePoint;

namespace {

constexpr std::size_t kPods = 6;
constexpr std::size_t kOwn = 2;  ///< pods 0 and 1 are of the router's zone
constexpr std::uint32_t kThreads = 4;
/// As many as the threads of a pod, so that what is more would wait there.
constexpr std::uint32_t kBusyFrom = kThreads;

/// Own pods only, spare ones only, or all.
class Within final : public balancer::Eligibility {
 public:
  explicit Within(Reach reach) : reach_{reach} {}
  [[nodiscard]] bool may_choose(std::size_t index) const noexcept override {
    return reach_ == Reach::all || (index < kOwn) == (reach_ == Reach::own);
  }

 private:
  Reach reach_;
};

/// One choice, and what had been placed before it.
struct Choice {
  TimePoint at;
  std::uint64_t own_in_flight;
  std::uint64_t spare_in_flight;
  bool is_spare;
};

using Choose = std::function<std::size_t(const balancer::Selection&, TimePoint, Rng&)>;

Choose by_peak_ewma() {
  return [policy = balancer::PeakEwmaPolicy{}](
             const balancer::Selection& selection, TimePoint now, Rng& rng) mutable {
    return policy.pick(selection, now, rng).value();
  };
}

Choose by_least_request() {
  return [](const balancer::Selection& selection, TimePoint /*now*/, Rng& rng) {
    return balancer::pick_least_request(selection, rng).value();
  };
}

/// That policy behind the rule; keeps the choices in `log`.
test::Pick with_spill_over(Choose choose, std::vector<Choice>& log) {
  return [choose = std::move(choose), &log](
             const std::vector<balancer::Candidate>& candidates, TimePoint now, Rng& rng) {
    GroupLoad own;
    GroupLoad spare;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      (i < kOwn ? own : spare).add(candidates[i].in_flight);
    }
    const Within eligible{reach_of_next(own, spare, kBusyFrom)};
    const std::size_t chosen = choose({candidates, &eligible}, now, rng);
    log.push_back({.at = now,
                   .own_in_flight = own.in_flight,
                   .spare_in_flight = spare.in_flight,
                   .is_spare = chosen >= kOwn});
    return chosen;
  };
}

test::Pick within(Reach reach) {
  return [choose = by_peak_ewma(), eligible = Within{reach}](
             const std::vector<balancer::Candidate>& candidates, TimePoint now, Rng& rng) {
    return choose({candidates, &eligible}, now, rng);
  };
}

constexpr Nanoseconds kRise = 10s;
constexpr Nanoseconds kFall = 20s;
constexpr Nanoseconds kEnd = 30s;

/// 1 ms; from 10 s to 20 s it is 30 ms. At 500 requests a second these are 15 at a time, of which
/// the two pods of the zone can work on eight.
Nanoseconds harder_for_a_while(std::size_t /*pod*/, Nanoseconds at, Rng& rng) {
  const bool is_hard = at >= kRise && at < kFall;
  std::exponential_distribution<double> seconds{is_hard ? 1 / 0.030 : 1 / 0.001};
  return std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>{seconds(rng)});
}

test::Scenario rising_and_falling() {
  return {.n_pods = kPods,
          .requests_per_second = 500,
          .duration = kEnd,
          .n_threads = kThreads,
          .work = harder_for_a_while,
          .count_from = kRise,
          .count_until = kFall};
}

std::uint64_t count_spills(const std::vector<Choice>& log, Nanoseconds from, Nanoseconds until) {
  return static_cast<std::uint64_t>(std::count_if(log.begin(), log.end(), [&](const Choice& one) {
    return one.is_spare && one.at >= TimePoint{from} && one.at < TimePoint{until};
  }));
}

/// What own pods had in flight, seen by those that came while the load was high.
double mean_own_in_flight(const std::vector<Choice>& log) {
  double sum = 0;
  double n = 0;
  for (const Choice& one : log) {
    const bool counts = one.at >= TimePoint{kRise + 1s} && one.at < TimePoint{kFall};
    sum += counts ? static_cast<double>(one.own_in_flight) : 0;
    n += counts ? 1 : 0;
  }
  return sum / n;
}

GroupLoad load(std::size_t n_usable, std::uint64_t in_flight) {
  return {.n_usable = n_usable, .in_flight = in_flight};
}

}  // namespace

TEST_CASE("reach_of_next: the own ones while they have room, then the spare ones, then all",
          "[balancer]") {
  CHECK(reach_of_next(load(2, 0), load(4, 0), 3) == Reach::own);
  CHECK(reach_of_next(load(2, 5), load(4, 0), 3) == Reach::own);
  CHECK(reach_of_next(load(2, 6), load(4, 11), 3) == Reach::spare);
  CHECK(reach_of_next(load(2, 6), load(4, 12), 3) == Reach::all);
  CHECK(reach_of_next(load(2, 5), load(4, 12), 3) == Reach::own);
}

TEST_CASE("reach_of_next: where none of the own ones is usable the spare ones take over",
          "[balancer]") {
  CHECK(reach_of_next(load(0, 0), load(4, 0), 3) == Reach::spare);
  CHECK(reach_of_next(load(0, 0), load(4, 12), 3) == Reach::all);
  CHECK(reach_of_next(load(2, 6), load(0, 0), 3) == Reach::all);
}

TEST_CASE("spill-over: what is too much for the own zone goes to the others, and nothing else",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  const auto choose = GENERATE(by_peak_ewma, by_least_request);
  CAPTURE(seed);
  const test::Scenario scenario = rising_and_falling();
  std::vector<Choice> log;

  const test::Outcome outcome =
      test::Simulation{scenario, [&] { return with_spill_over(choose(), log); }, seed}.run();

  // Whatever the moment: nobody leaves the zone while it has room, and nobody waits in it while
  // others have.
  for (const Choice& one : log) {
    const bool has_room = one.own_in_flight < kOwn * kBusyFrom;
    const bool have_others_room = one.spare_in_flight < (kPods - kOwn) * kBusyFrom;
    REQUIRE((!one.is_spare || !has_room));
    REQUIRE((one.is_spare || has_room || !have_others_room));
  }
  CHECK(count_spills(log, 0s, kRise) == 0);
  CHECK(count_spills(log, kRise, kFall) > 1000);  // of about 5000
  CHECK(count_spills(log, kFall + 500ms, kEnd) == 0);
  CHECK(mean_own_in_flight(log) > 0.85 * kOwn * kBusyFrom);
  CHECK(mean_own_in_flight(log) < 1.05 * kOwn * kBusyFrom);
  CHECK(outcome.in_flight_at_end == 0);
}

TEST_CASE("spill-over: callers wait no longer than if there were no zones",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  const test::Scenario scenario = rising_and_falling();
  std::vector<Choice> log;

  const test::Outcome spilling =
      test::Simulation{scenario, [&] { return with_spill_over(by_peak_ewma(), log); }, seed}.run();
  const test::Outcome everywhere =
      test::Simulation{scenario, [] { return within(Reach::all); }, seed}.run();
  const test::Outcome at_home =
      test::Simulation{scenario, [] { return within(Reach::own); }, seed}.run();

  CHECK(spilling.percentile(99) < everywhere.percentile(99) * 3 / 2);
  CHECK(at_home.percentile(99) > 1s);
}
