// SPDX-License-Identifier: Apache-2.0
#include "balancer/least_request.hpp"

#include "tests/balancer/candidates.hpp"

#include <array>

#include <catch2/catch.hpp>

TEST_CASE("pick_least_request: of two the one with fewer requests in flight", "[balancer]") {
  balancer::Rng rng{1};
  auto candidates = test::candidates_of({1, 2});
  candidates[0].in_flight = 3;
  candidates[1].in_flight = 2;

  for (int i = 0; i < 20; ++i) {
    CHECK(balancer::pick_least_request({candidates}, rng) == 1U);
  }
}

TEST_CASE("pick_least_request: what is in flight counts by the weight", "[balancer]") {
  balancer::Rng rng{1};
  auto candidates = test::weighted({4, 1});

  candidates[0].in_flight = 3;
  candidates[1].in_flight = 2;
  CHECK(balancer::pick_least_request({candidates}, rng) == 0U);  // 3 / 4 against 2 / 1

  candidates[0].in_flight = 7;
  candidates[1].in_flight = 0;
  CHECK(balancer::pick_least_request({candidates}, rng) == 1U);  // 7 / 4 against 0 / 1
}

TEST_CASE("pick_least_request: idle endpoints get even shares", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const auto candidates = test::candidates_of({1, 2, 3});
  std::array<int, 3> counts{};

  for (int i = 0; i < 3000; ++i) {
    ++counts.at(balancer::pick_least_request({candidates}, rng).value());
  }

  for (const int count : counts) {
    CHECK(count == Approx(1000).margin(100));
  }
}

TEST_CASE("pick_least_request: those left out are not chosen", "[balancer]") {
  balancer::Rng rng{1};
  auto candidates = test::candidates_of({1, 2, 3});
  candidates[2].in_flight = 1000;
  const test::AllBut busy_one{0, 1};

  CHECK(balancer::pick_least_request({candidates, &busy_one}, rng) == 2U);
  CHECK_FALSE(balancer::pick_least_request({}, rng).has_value());
}
