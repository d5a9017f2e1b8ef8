// SPDX-License-Identifier: Apache-2.0
#include "balancer/round_robin.hpp"

#include "tests/balancer/candidates.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using balancer::Candidate;
using balancer::RoundRobin;

namespace {

/// The identifiers of the next `n_picks`.
std::vector<std::uint64_t> next_ids(RoundRobin& turns,
                                    const std::vector<Candidate>& candidates,
                                    int n_picks) {
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < n_picks; ++i) {
    ids.push_back(candidates[turns.pick({candidates}).value()].id);
  }
  return ids;
}

}  // namespace

TEST_CASE("RoundRobin: there is no choice among no candidates", "[balancer]") {
  RoundRobin turns;

  CHECK_FALSE(turns.pick({}).has_value());
}

TEST_CASE("RoundRobin: the turns are in the order of the identifiers", "[balancer]") {
  RoundRobin turns;
  const auto candidates = test::candidates_of({42, 7, 9});

  turns.adopt(candidates);

  CHECK(next_ids(turns, candidates, 7) == std::vector<std::uint64_t>{7, 9, 42, 7, 9, 42, 7});
}

TEST_CASE("RoundRobin: every candidate gets exactly its share, however often they are listed anew",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  RoundRobin turns;
  auto candidates = test::candidates_of({42, 0, 7, 1'000'000, 3});
  std::map<std::uint64_t, int> counts;

  for (int i = 0; i < 3000; ++i) {
    std::shuffle(candidates.begin(), candidates.end(), rng);
    turns.adopt(candidates);
    ++counts[candidates[turns.pick({candidates}).value()].id];
  }

  for (const Candidate& candidate : candidates) {
    CHECK(counts[candidate.id] == 600);
  }
}

TEST_CASE("RoundRobin: one of more weight has more turns, evenly spread", "[balancer]") {
  RoundRobin turns;
  const auto candidates = test::weighted({5, 1, 1});

  turns.adopt(candidates);

  std::string order;
  for (const std::uint64_t id : next_ids(turns, candidates, 14)) {
    order += std::to_string(id);
  }
  CHECK(order == "00000120000012");
  CHECK(order.find("000000") == std::string::npos);
}

TEST_CASE("RoundRobin: whatever the weights, nobody is a whole turn from its share",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  std::vector<double> weights;
  for (int i = 0; i < 10; ++i) {
    weights.push_back(std::uniform_real_distribution<double>{0.1, 10}(rng));
  }
  const auto candidates = test::weighted(weights);
  double sum = 0;
  for (const double weight : weights) {
    sum += weight;
  }
  RoundRobin turns;
  turns.adopt(candidates);
  std::array<int, 10> counts{};

  for (int n_picks = 1; n_picks <= 2000; ++n_picks) {
    ++counts.at(turns.pick({candidates}).value());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      // Earliest deadline first keeps each within one turn of its own, and of the others'.
      REQUIRE(std::abs(counts.at(i) - n_picks * weights[i] / sum) < 1 + 10 * weights[i] / sum);
    }
  }
}

TEST_CASE("RoundRobin: a candidate that comes is served within one round", "[balancer]") {
  RoundRobin turns;
  const auto before = test::candidates_of({10, 20});
  const auto after = test::candidates_of({10, 20, 15});
  turns.adopt(before);
  CHECK(next_ids(turns, before, 1) == std::vector<std::uint64_t>{10});

  turns.adopt(after);

  CHECK(next_ids(turns, after, 6) == std::vector<std::uint64_t>{20, 10, 15, 20, 10, 15});
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
    const auto candidates = test::candidates_of(ids);
    turns.adopt(candidates);
    ++counts[candidates[turns.pick({candidates}).value()].id];
  }

  const double even = (counts[1] + counts[5] + counts[9]) / 3.0;
  for (const std::uint64_t id : {1U, 5U, 9U}) {
    CHECK(counts[id] == Approx(even).epsilon(0.02));
  }
}

TEST_CASE("RoundRobin: a turn that is lost is not made up for", "[balancer]") {
  RoundRobin turns;
  const auto candidates = test::candidates_of({1, 2, 3});
  const test::AllBut others{1};
  turns.adopt(candidates);

  for (int i = 0; i < 100; ++i) {
    CHECK(turns.pick({candidates, &others}) == (i % 2 == 0 ? 0U : 2U));
  }

  auto ids = next_ids(turns, candidates, 6);
  CHECK(std::count(ids.begin(), ids.end(), 2U) == 2);
}

TEST_CASE("RoundRobin: if none may be chosen all keep their turn", "[balancer]") {
  RoundRobin turns;
  const auto candidates = test::candidates_of({1, 2});
  const test::AllBut none{0, 1};
  turns.adopt(candidates);

  CHECK_FALSE(turns.pick({candidates, &none}).has_value());

  CHECK(next_ids(turns, candidates, 2) == std::vector<std::uint64_t>{1, 2});
}
