// SPDX-License-Identifier: Apache-2.0
#include "balancer/round_robin.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using balancer::RoundRobin;

TEST_CASE("RoundRobin: there is no choice among no candidates", "[balancer]") {
  RoundRobin turns;

  CHECK_FALSE(turns.pick({}).has_value());
}

TEST_CASE("RoundRobin: a single candidate is always chosen", "[balancer]") {
  RoundRobin turns;
  const std::array<std::uint64_t, 1> ids{7};

  CHECK(turns.pick(ids) == 0U);
  CHECK(turns.pick(ids) == 0U);
}

TEST_CASE("RoundRobin: every candidate gets exactly its share, in whatever order they are listed",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  RoundRobin turns;
  std::vector<std::uint64_t> ids{42, 0, 7, 1'000'000, 3};
  std::map<std::uint64_t, int> counts;

  for (int i = 0; i < 3000; ++i) {
    std::shuffle(ids.begin(), ids.end(), rng);
    ++counts[ids[turns.pick(ids).value()]];
  }

  for (const auto id : ids) {
    CHECK(counts[id] == 600);
  }
}

TEST_CASE("RoundRobin: a candidate that comes is served within one round", "[balancer]") {
  RoundRobin turns;
  const std::array<std::uint64_t, 2> before{10, 20};
  const std::array<std::uint64_t, 3> after{10, 20, 15};
  CHECK(turns.pick(before) == 0U);

  CHECK(turns.pick(after) == 2U);
  CHECK(turns.pick(after) == 1U);
  CHECK(turns.pick(after) == 0U);
}

TEST_CASE("RoundRobin: shares stay even while other candidates come and go",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  RoundRobin turns;
  std::map<std::uint64_t, int> counts;

  for (int i = 0; i < 3000; ++i) {
    std::vector<std::uint64_t> ids{1, 5, 9};
    if (std::bernoulli_distribution{0.5}(rng)) {
      ids.push_back(std::uniform_int_distribution<std::uint64_t>{2, 4}(rng));
    }
    ++counts[ids[turns.pick(ids).value()]];
  }

  const double even = (counts[1] + counts[5] + counts[9]) / 3.0;
  for (const std::uint64_t id : {1U, 5U, 9U}) {
    CHECK(counts[id] == Approx(even).epsilon(0.02));
  }
}
