// SPDX-License-Identifier: Apache-2.0
#include "balancer/random.hpp"

#include "tests/balancer/candidates.hpp"

#include <array>

#include <catch2/catch.hpp>

TEST_CASE("Random: shares follow the weights", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const auto candidates = test::weighted({1, 2, 5});
  balancer::Random random;
  random.adopt(candidates);
  std::array<int, 3> counts{};

  for (int i = 0; i < 8000; ++i) {
    ++counts.at(random.pick({candidates}, rng).value());
  }

  CHECK(counts[0] == Approx(1000).margin(120));
  CHECK(counts[1] == Approx(2000).margin(160));
  CHECK(counts[2] == Approx(5000).margin(180));
}

TEST_CASE("Random: those left out are not chosen, and the others by their weight",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const auto candidates = test::weighted({1, 1000, 3});
  const test::AllBut light{1};  // nearly every draw meets it
  balancer::Random random;
  random.adopt(candidates);
  std::array<int, 3> counts{};

  for (int i = 0; i < 4000; ++i) {
    ++counts.at(random.pick({candidates, &light}, rng).value());
  }

  CHECK(counts[0] == Approx(1000).margin(120));
  CHECK(counts[2] == Approx(3000).margin(120));
}

TEST_CASE("Random: there is no choice among no candidates", "[balancer]") {
  balancer::Rng rng{1};

  CHECK_FALSE(balancer::Random{}.pick({}, rng).has_value());
}
