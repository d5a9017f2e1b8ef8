// SPDX-License-Identifier: Apache-2.0
#include "balancer/candidate.hpp"

#include "tests/balancer/candidates.hpp"

#include <vector>

#include <catch2/catch.hpp>

TEST_CASE("draw_two: the two are distinct, and all pairs alike", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const auto candidates = test::candidates_of({1, 2, 3, 4});
  std::vector<int> counts(16);

  for (int i = 0; i < 12'000; ++i) {
    const auto [first, second] = balancer::draw_two({candidates}, rng).value();
    ++counts[first * 4 + second];
  }

  for (std::size_t first = 0; first < 4; ++first) {
    for (std::size_t second = 0; second < 4; ++second) {
      const int expected = first == second ? 0 : 1000;
      CHECK(counts[first * 4 + second] == Approx(expected).margin(150));
    }
  }
}

TEST_CASE("draw_two: those left out are not drawn, and the others alike", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const auto candidates = test::candidates_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const test::AllBut others{0, 1, 2, 3, 4, 6, 7};  // most: the draws seldom meet one
  std::vector<int> counts(10);

  for (int i = 0; i < 3000; ++i) {
    const auto [first, second] = balancer::draw_two({candidates, &others}, rng).value();
    ++counts[first];
    ++counts[second];
  }

  for (const std::size_t index : {5U, 8U, 9U}) {
    CHECK(counts[index] == Approx(2000).margin(150));
  }
}

TEST_CASE("draw_two: the last one left is drawn twice, and there is none of none", "[balancer]") {
  balancer::Rng rng{1};
  const auto candidates = test::candidates_of({1, 2, 3});
  const test::AllBut last{0, 1};
  const test::AllBut none{0, 1, 2};

  CHECK(balancer::draw_two({candidates, &last}, rng) == std::pair<std::size_t, std::size_t>{2, 2});
  CHECK_FALSE(balancer::draw_two({candidates, &none}, rng).has_value());
  CHECK_FALSE(balancer::draw_two({}, rng).has_value());
}
