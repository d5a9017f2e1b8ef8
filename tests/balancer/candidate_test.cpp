// SPDX-License-Identifier: Apache-2.0
#include "balancer/candidate.hpp"

#include "tests/balancer/candidates.hpp"

#include <array>
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

TEST_CASE("draw_one: shares follow the weights", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const test::WeightedSelection weighted{{1, 2, 5}};
  std::array<int, 3> counts{};

  for (int i = 0; i < 8000; ++i) {
    ++counts.at(balancer::draw_one(weighted.selection(), rng).value());
  }

  CHECK(counts[0] == Approx(1000).margin(120));
  CHECK(counts[1] == Approx(2000).margin(160));
  CHECK(counts[2] == Approx(5000).margin(180));
}

TEST_CASE("draw_one: those left out are not drawn, and the others by their weight",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const test::WeightedSelection weighted{{1, 1000, 3}};
  const test::AllBut light{1};  // nearly every draw meets it
  std::array<int, 3> counts{};

  for (int i = 0; i < 4000; ++i) {
    ++counts.at(balancer::draw_one(weighted.selection(&light), rng).value());
  }

  CHECK(counts[0] == Approx(1000).margin(120));
  CHECK(counts[2] == Approx(3000).margin(120));
}

TEST_CASE("draw_one: there is none of none", "[balancer]") {
  balancer::Rng rng{1};

  CHECK_FALSE(balancer::draw_one({}, rng).has_value());
}

TEST_CASE("draw_two: the first goes by weight, and the second by that of the others",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  const test::WeightedSelection weighted{{1, 2, 3}};
  std::array<std::array<int, 3>, 3> counts{};

  for (int i = 0; i < 12'000; ++i) {
    const auto [first, second] = balancer::draw_two(weighted.selection(), rng).value();
    ++counts.at(first).at(second);
  }

  CHECK(counts[0][1] == Approx(800).margin(120));   // 1/6 of 2/5
  CHECK(counts[0][2] == Approx(1200).margin(140));  // 1/6 of 3/5
  CHECK(counts[1][0] == Approx(1000).margin(130));  // 2/6 of 1/4
  CHECK(counts[1][2] == Approx(3000).margin(200));
  CHECK(counts[2][0] == Approx(2000).margin(160));  // 3/6 of 1/3
  CHECK(counts[2][1] == Approx(4000).margin(220));
}

TEST_CASE("sum_up_weights: there is nothing to sum up while all weigh the same", "[balancer]") {
  std::vector<double> sums{1};

  balancer::sum_up_weights(test::weighted({2, 2, 2}), sums);
  CHECK(sums.empty());
  balancer::sum_up_weights(test::weighted({2, 2, 1}), sums);
  CHECK(sums == std::vector<double>{2, 4, 5});
  balancer::sum_up_weights({}, sums);
  CHECK(sums.empty());
}

TEST_CASE("is_less_busy: by what is in flight for the weight, from one request of the lighter on",
          "[balancer]") {
  const auto with = [](double weight, std::uint32_t in_flight) {
    return balancer::Candidate{.in_flight = in_flight, .weight = weight};
  };
  using balancer::is_less_busy;

  CHECK(is_less_busy(with(0.3, 2), with(0.3, 3)));
  CHECK_FALSE(is_less_busy(with(1, 2), with(1, 2)));
  CHECK(is_less_busy(with(3, 0), with(1, 1)));
  CHECK_FALSE(is_less_busy(with(3, 1), with(1, 1)));  // by two thirds of a request
  CHECK_FALSE(is_less_busy(with(1, 0), with(3, 2)));
  CHECK(is_less_busy(with(1, 0), with(3, 3)));
}
