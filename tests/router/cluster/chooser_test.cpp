// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/chooser.hpp"

#include "balancer/stable_hash.hpp"
#include "tests/balancer/candidates.hpp"

#include <array>
#include <chrono>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

namespace router {
namespace {

using namespace std::chrono_literals;

constexpr balancer::TimePoint kStart{};
constexpr std::size_t kCandidates = 3;
constexpr std::array kAll{BalancerKind::peak_ewma,
                          BalancerKind::least_request,
                          BalancerKind::round_robin,
                          BalancerKind::random,
                          BalancerKind::ring_hash,
                          BalancerKind::maglev};

Policy policy_of(BalancerKind kind) {
  Policy policy;
  policy.balancer = kind;
  return policy;
}

/// Three endpoints that have never been asked.
struct Endpoints {
  std::array<balancer::PeakEwma, kCandidates> latencies{
      balancer::PeakEwma{10s}, balancer::PeakEwma{10s}, balancer::PeakEwma{10s}};

  [[nodiscard]] std::vector<balancer::Candidate> candidates() const {
    auto candidates = test::candidates_of({1, 2, 3});
    for (std::size_t i = 0; i < kCandidates; ++i) {
      candidates[i].latency = &latencies.at(i);
      candidates[i].hash = balancer::scatter(i + 1);
    }
    return candidates;
  }
};

}  // namespace

TEST_CASE("Chooser: every policy chooses all, none that may not be chosen, and none of none",
          "[cluster]") {
  const BalancerKind kind = GENERATE(from_range(kAll));
  CAPTURE(static_cast<int>(kind));
  const Endpoints endpoints;
  Chooser chooser{policy_of(kind), 1};
  CHECK_FALSE(chooser.choose(nullptr, {}, kStart).has_value());
  chooser.adopt(endpoints.candidates());
  const test::AllBut others{1};
  const test::AllBut none{0, 1, 2};

  std::set<std::size_t> chosen;
  std::set<std::size_t> chosen_of_two;
  for (int i = 0; i < 100; ++i) {
    chosen.insert(chooser.choose(nullptr, {}, kStart).value());
  }
  for (int i = 0; i < 100; ++i) {
    chosen_of_two.insert(chooser.choose(&others, {}, kStart).value());
  }

  CHECK(chosen == std::set<std::size_t>{0, 1, 2});
  CHECK(chosen_of_two == std::set<std::size_t>{0, 2});
  CHECK_FALSE(chooser.choose(&none, {}, kStart).has_value());
}

TEST_CASE("Chooser: any policy can take over from any other", "[cluster]") {
  const BalancerKind before = GENERATE(from_range(kAll));
  CAPTURE(static_cast<int>(before));
  const Endpoints endpoints;
  Chooser chooser{policy_of(before), 1};
  chooser.adopt(endpoints.candidates());

  chooser.apply(policy_of(BalancerKind::round_robin));

  const auto first = chooser.choose(nullptr, {}, kStart).value();
  for (std::size_t i = 1; i < 9; ++i) {
    chooser.apply(policy_of(BalancerKind::round_robin));  // the same again leaves the turns alone
    CHECK(chooser.choose(nullptr, {}, kStart) == (first + i) % kCandidates);
  }
}

TEST_CASE("Chooser: requests of one key stay together up to the bound of load", "[cluster]") {
  const BalancerKind kind = GENERATE(BalancerKind::ring_hash, BalancerKind::maglev);
  CAPTURE(static_cast<int>(kind));
  const Endpoints endpoints;
  Policy policy = policy_of(kind);
  Chooser chooser{policy, 1};
  chooser.adopt(endpoints.candidates());
  const std::uint64_t key = 42;
  const std::size_t home = chooser.choose(nullptr, key, kStart).value();
  for (int i = 0; i < 20; ++i) {
    CHECK(chooser.choose(nullptr, key, kStart) == home);
  }

  chooser.set_in_flight(home, 30);
  CHECK(chooser.choose(nullptr, key, kStart) != home);

  policy.load_bound_percent = 1000;  // hot: the same ring, another bound
  chooser.apply(policy);
  CHECK(chooser.choose(nullptr, key, kStart) == home);
}

TEST_CASE("Chooser: every policy heeds weights, from the next request on", "[cluster]") {
  const BalancerKind kind = GENERATE(from_range(kAll));
  CAPTURE(static_cast<int>(kind));
  Endpoints endpoints;
  for (balancer::PeakEwma& latency : endpoints.latencies) {
    latency.observe(1ms, kStart);
  }
  Chooser chooser{policy_of(kind), 1};
  chooser.adopt(endpoints.candidates());
  constexpr int kRequests = 3000;
  auto heavy = endpoints.candidates();
  heavy[1].fixed_weight = 10;

  chooser.adopt(heavy);
  chooser.set_weights(std::vector<double>{1, 10, 1});
  int n_of_heavy = 0;
  for (int i = 0; i < kRequests; ++i) {
    n_of_heavy += chooser.choose(nullptr, {}, kStart) == 1U ? 1 : 0;
  }

  CHECK(n_of_heavy == Approx(kRequests * 10 / 12).epsilon(0.1));
}

TEST_CASE("Chooser: keys stay where they are whatever endpoints report", "[cluster]") {
  const BalancerKind kind = GENERATE(BalancerKind::ring_hash, BalancerKind::maglev);
  CAPTURE(static_cast<int>(kind));
  const Endpoints endpoints;
  Chooser chooser{policy_of(kind), 1};
  chooser.adopt(endpoints.candidates());
  const auto owners = [&] {
    std::vector<std::size_t> of_keys;
    for (std::uint64_t key = 0; key < 200; ++key) {
      of_keys.push_back(chooser.choose(nullptr, balancer::scatter(key), kStart).value());
    }
    return of_keys;
  };
  const auto before = owners();

  chooser.set_weights(std::vector<double>{1, 10, 0.1});
  chooser.apply(policy_of(kind));

  CHECK(owners() == before);
}

}  // namespace router
