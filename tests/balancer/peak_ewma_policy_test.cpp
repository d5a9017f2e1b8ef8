// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma_policy.hpp"

#include "tests/balancer/candidates.hpp"

#include <array>
#include <chrono>
#include <cstddef>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Candidate;
using balancer::PeakEwma;
using balancer::PeakEwmaPolicy;

namespace {

constexpr balancer::TimePoint kStart{};  // the test owns the time; nothing sleeps

/// Which of two candidates is picked, when both are always drawn.
std::size_t better_of(const Candidate& a, const Candidate& b, balancer::TimePoint now) {
  balancer::Rng rng{1};
  return PeakEwmaPolicy{}.pick({std::array{a, b}}, now, rng).value();
}

}  // namespace

TEST_CASE("PeakEwmaPolicy: there is no choice among no candidates", "[balancer]") {
  balancer::Rng rng{1};

  CHECK_FALSE(PeakEwmaPolicy{}.pick({}, kStart, rng).has_value());
}

TEST_CASE("PeakEwmaPolicy: a single candidate is chosen however dear", "[balancer]") {
  balancer::Rng rng{1};
  const PeakEwma latency = test::steady(10s, kStart);

  CHECK(PeakEwmaPolicy{}.pick({std::array{Candidate{&latency, 1000}}}, kStart, rng) == 0U);
}

TEST_CASE("PeakEwmaPolicy: an endpoint with no sample and nothing in flight wins when drawn",
          "[balancer]") {
  const PeakEwma fast = test::steady(1us, kStart);
  const PeakEwma unknown{10s};

  CHECK(better_of({&fast, 0}, {&unknown, 0}, kStart) == 1);
  CHECK(better_of({&unknown, 0}, {&fast, 0}, kStart) == 0);
}

TEST_CASE(
    "PeakEwmaPolicy: while its first request is out an endpoint costs the median of the others",
    "[balancer]") {
  balancer::Rng rng{1};
  const PeakEwma unknown{10s};
  const PeakEwma fast = test::steady(10ms, kStart);
  const PeakEwma usual = test::steady(30ms, kStart);
  const PeakEwma slow = test::steady(200ms, kStart);
  const std::array<Candidate, 4> candidates{
      Candidate{&fast}, Candidate{&usual}, Candidate{&slow}, Candidate{&unknown, 1}};
  PeakEwmaPolicy policy;

  const test::AllBut fast_one{1, 2};
  const test::AllBut slow_one{0, 1};

  for (int i = 0; i < 20; ++i) {
    CHECK(policy.pick({candidates, &fast_one}, kStart, rng) == 0U);
    CHECK(policy.pick({candidates, &slow_one}, kStart, rng) == 3U);
  }
}

TEST_CASE("PeakEwmaPolicy: of equal endpoints the one with fewer requests in flight is chosen",
          "[balancer]") {
  const PeakEwma latency = test::steady(10ms, kStart);

  CHECK(better_of({&latency, 3}, {&latency, 2}, kStart) == 1);
}

TEST_CASE(
    "PeakEwmaPolicy: a slow endpoint is chosen when the fast one is busier by more than the ratio",
    "[balancer]") {
  const PeakEwma fast = test::steady(1ms, kStart);
  const PeakEwma slow = test::steady(10ms, kStart);

  CHECK(better_of({&slow, 0}, {&fast, 5}, kStart) == 1);
  CHECK(better_of({&slow, 0}, {&fast, 20}, kStart) == 0);
}

TEST_CASE("PeakEwmaPolicy: within noise the endpoint heard of longer ago is chosen", "[balancer]") {
  const PeakEwma recent = test::steady(1ms, kStart);
  const PeakEwma earlier = test::steady(1100us, kStart - 100ms);

  CHECK(better_of({&recent, 0}, {&earlier, 0}, kStart) == 1);
}

TEST_CASE("PeakEwmaPolicy: the dearest of many candidates is never chosen",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 200U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  std::array<PeakEwma, 5> latencies{
      PeakEwma{1s}, PeakEwma{1s}, PeakEwma{1s}, PeakEwma{1s}, PeakEwma{1s}};
  std::array<Candidate, 5> candidates{};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    latencies[i].observe(1ms * (i + 1), kStart);
    candidates[i] = {.latency = &latencies[i], .in_flight = 0};
  }

  CHECK(PeakEwmaPolicy{}.pick({candidates}, kStart, rng) != candidates.size() - 1);
}

TEST_CASE("PeakEwmaPolicy: every pair of equal candidates is drawn", "[balancer]") {
  balancer::Rng rng{7};
  const PeakEwma latency{10s};
  const std::array<Candidate, 4> candidates{Candidate{&latency, 0},
                                            Candidate{&latency, 0},
                                            Candidate{&latency, 0},
                                            Candidate{&latency, 0}};
  PeakEwmaPolicy policy;
  std::array<int, 4> chosen{};

  for (int i = 0; i < 4000; ++i) {
    ++chosen[policy.pick({candidates}, kStart, rng).value()];
  }

  for (const int count : chosen) {
    CHECK(count == Approx(1000).margin(150));
  }
}

TEST_CASE("PeakEwmaPolicy: a dear endpoint gets a look now and then, one at a time", "[balancer]") {
  balancer::Rng rng{1};
  const PeakEwma fast = test::steady(1ms, kStart);
  const PeakEwma slow = test::steady(100ms, kStart);
  std::array<Candidate, 2> candidates{Candidate{&fast}, Candidate{&slow}};
  PeakEwmaPolicy policy;
  const auto count_looks = [&](balancer::TimePoint now) {
    int n_looks = 0;
    for (std::uint32_t i = 0; i < 4 * PeakEwmaPolicy::kPicksBetweenLooks; ++i) {
      n_looks += policy.pick({candidates}, now, rng) == 1U ? 1 : 0;
    }
    return n_looks;
  };

  CHECK(count_looks(kStart + 900ms) == 0);  // heard of just before
  CHECK(count_looks(kStart + 1100ms) == 4);
  candidates[1].in_flight = 1;
  CHECK(count_looks(kStart + 1100ms) == 0);  // the first one is not back yet
}

TEST_CASE("PeakEwmaPolicy: the longer an endpoint lets wait, the longer it is left alone",
          "[balancer]") {
  balancer::Rng rng{1};
  const PeakEwma fast = test::steady(1ms, kStart);
  PeakEwma failing{10s};
  failing.observe_failure(1ms, kStart);
  const std::array<Candidate, 2> candidates{Candidate{&fast}, Candidate{&failing}};
  PeakEwmaPolicy policy;
  const auto is_looked_at = [&](balancer::TimePoint now) {
    for (std::uint32_t i = 0; i < 2 * PeakEwmaPolicy::kPicksBetweenLooks; ++i) {
      if (policy.pick({candidates}, now, rng) == 1U) {
        return true;
      }
    }
    return false;
  };

  CHECK_FALSE(is_looked_at(kStart + 2s));
  CHECK(is_looked_at(kStart + 5s));
}
