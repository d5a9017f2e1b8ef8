// SPDX-License-Identifier: Apache-2.0
// What holds for both policies that choose by a hash, and what for one of them.
#include "balancer/load_bound.hpp"
#include "balancer/maglev.hpp"
#include "balancer/ring_hash.hpp"
#include "balancer/stable_hash.hpp"
#include "tests/balancer/candidates.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using balancer::Candidate;
using balancer::LoadBound;
using balancer::Maglev;
using balancer::RingHash;

namespace {

constexpr double kNoBound = std::numeric_limits<double>::max();
constexpr int kKeys = 20'000;

/// Pods `from` to `until`, hashed by their addresses.
std::vector<Candidate> pods(std::size_t from, std::size_t until) {
  std::vector<Candidate> candidates;
  for (std::size_t i = from; i < until; ++i) {
    candidates.push_back(
        {.id = i, .hash = balancer::stable_hash("10.0.0." + std::to_string(i) + ":8080")});
  }
  return candidates;
}

std::uint64_t key_of(int number) {
  return balancer::stable_hash("user-" + std::to_string(number));
}

/// The ids that the keys belong to.
template <class Policy>
std::vector<std::uint64_t> owners(const std::vector<Candidate>& candidates,
                                  const balancer::Eligibility* eligibility = nullptr) {
  Policy policy;
  policy.adopt(candidates);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < kKeys; ++i) {
    ids.push_back(
        candidates[policy.pick({candidates, eligibility}, key_of(i), kNoBound).value()].id);
  }
  return ids;
}

int count_differences(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  int n_differences = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    n_differences += a[i] != b[i] ? 1 : 0;
  }
  return n_differences;
}

}  // namespace

TEST_CASE("stable_hash: is what it always was", "[balancer]") {
  // Other values would send every key of a running cluster elsewhere.
  CHECK(balancer::stable_hash("") == 0xf52a15e9a9b5e89b);
  CHECK(balancer::stable_hash("user-1") == 0xc499b5f8a721df58);
}

TEMPLATE_TEST_CASE(
    "hash policies: whoever lists the endpoints, and in whatever order, a key has the "
    "same one",
    "[balancer]",
    RingHash,
    Maglev) {
  const auto candidates = pods(0, 10);
  auto reversed = candidates;
  std::reverse(reversed.begin(), reversed.end());

  CHECK(owners<TestType>(candidates) == owners<TestType>(reversed));
}

TEMPLATE_TEST_CASE("hash policies: all endpoints get about as many keys",
                   "[balancer]",
                   RingHash,
                   Maglev) {
  const auto ids = owners<TestType>(pods(0, 10));

  for (std::uint64_t id = 0; id < 10; ++id) {
    const auto n_keys = static_cast<double>(std::count(ids.begin(), ids.end(), id));
    CHECK(n_keys == Approx(kKeys / 10).epsilon(0.25));
  }
}

TEST_CASE("Maglev: shares are nearly exact", "[balancer]") {
  const auto ids = owners<Maglev>(pods(0, 10));

  for (std::uint64_t id = 0; id < 10; ++id) {
    const auto n_keys = static_cast<double>(std::count(ids.begin(), ids.end(), id));
    CHECK(n_keys == Approx(kKeys / 10).epsilon(0.08));  // what the keys themselves scatter
  }
}

TEMPLATE_TEST_CASE("hash policies: an endpoint that comes gets its share and moves hardly more",
                   "[balancer]",
                   RingHash,
                   Maglev) {
  const auto before = owners<TestType>(pods(0, 10));

  const auto after = owners<TestType>(pods(0, 11));

  const int n_moved = count_differences(before, after);
  const auto n_taken = std::count(after.begin(), after.end(), 10U);
  CHECK(n_taken > kKeys * 3 / 44);  // three quarters of an even share
  CHECK(n_moved < kKeys * 0.15);    // 1/11 at the least
}

TEST_CASE("RingHash: only the keys of the endpoint that goes move", "[balancer]") {
  const auto before = owners<RingHash>(pods(0, 10));

  const auto after = owners<RingHash>(pods(1, 10));

  CHECK(count_differences(before, after) == std::count(before.begin(), before.end(), 0U));
}

TEMPLATE_TEST_CASE(
    "hash policies: the keys of an endpoint left out are spread over all others, and "
    "no other moves",
    "[balancer]",
    RingHash,
    Maglev) {
  const auto candidates = pods(0, 10);
  const test::AllBut third{3};
  const auto before = owners<TestType>(candidates);

  const auto meanwhile = owners<TestType>(candidates, &third);

  const auto n_of_third = std::count(before.begin(), before.end(), 3U);
  CHECK(count_differences(before, meanwhile) == n_of_third);
  for (std::uint64_t id = 0; id < 10; ++id) {
    const auto gained = std::count(meanwhile.begin(), meanwhile.end(), id) -
                        std::count(before.begin(), before.end(), id);
    CHECK(gained * 10 <= n_of_third * 3);
  }
  CHECK(owners<TestType>(candidates) == before);  // they come back
}

TEMPLATE_TEST_CASE(
    "hash policies: a key goes past an endpoint that has enough, always the same way",
    "[balancer]",
    RingHash,
    Maglev) {
  auto candidates = pods(0, 5);
  TestType policy;
  policy.adopt(candidates);
  const std::uint64_t key = key_of(1);
  const std::size_t owner = policy.pick({candidates}, key, 10).value();

  candidates[owner].in_flight = 10;
  const std::size_t next = policy.pick({candidates}, key, 10).value();
  const test::AllBut owner_out{owner};

  CHECK(next != owner);
  CHECK(policy.pick({candidates}, key, 10) == next);
  CHECK(policy.pick({candidates, &owner_out}, key, 10) == next);
  for (Candidate& candidate : candidates) {
    candidate.in_flight = 10;
  }
  CHECK(policy.pick({candidates}, key, 10) == owner);  // where all have enough, it stays at home
}

TEMPLATE_TEST_CASE("hash policies: there is no choice among no candidates",
                   "[balancer]",
                   RingHash,
                   Maglev) {
  TestType policy;
  CHECK_FALSE(policy.pick({}, 1, kNoBound).has_value());
  policy.adopt({});
  CHECK_FALSE(policy.pick({}, 1, kNoBound).has_value());
  const auto candidates = pods(0, 2);
  const test::AllBut none{0, 1};
  policy.adopt(candidates);

  CHECK_FALSE(policy.pick({candidates, &none}, 1, kNoBound).has_value());
}

TEST_CASE("RingHash: a thousand endpoints share a bounded ring", "[balancer]") {
  const auto ids = owners<RingHash>(pods(0, 1000));

  std::vector<int> counts(1000);
  for (const std::uint64_t id : ids) {
    ++counts[id];
  }
  CHECK(std::count(counts.begin(), counts.end(), 0) < 10);
  CHECK(*std::max_element(counts.begin(), counts.end()) < 100);  // 20 on average
}

TEMPLATE_TEST_CASE("hash policies: keys go by the fixed weights, and by no others",
                   "[balancer]",
                   RingHash,
                   Maglev) {
  auto candidates = pods(0, 10);
  candidates[7].weight = 10;  // of a report, say
  const auto before = owners<TestType>(candidates);
  CHECK(before == owners<TestType>(pods(0, 10)));
  candidates[3].fixed_weight = 3;
  candidates[5].fixed_weight = 0.5;

  const auto after = owners<TestType>(candidates);

  const auto share_of = [&](std::uint64_t id) {
    return static_cast<double>(std::count(after.begin(), after.end(), id)) / kKeys * 11.5;
  };
  CHECK(share_of(3) == Approx(3).epsilon(0.15));
  CHECK(share_of(5) == Approx(0.5).epsilon(0.25));
  CHECK(share_of(0) == Approx(1).epsilon(0.25));
  CHECK(count_differences(before, after) < kKeys * 0.3);  // 0.21 at the least
}

TEST_CASE("RingHash: a heavier endpoint takes keys, and no others move", "[balancer]") {
  auto candidates = pods(0, 10);
  const auto before = owners<RingHash>(candidates);
  candidates[3].fixed_weight = 3;

  const auto after = owners<RingHash>(candidates);

  CHECK(count_differences(before, after) ==
        std::count(after.begin(), after.end(), 3U) - std::count(before.begin(), before.end(), 3U));
}

TEST_CASE("RingHash: points are bounded whatever endpoints weigh", "[balancer]") {
  auto candidates = pods(0, 200);
  for (Candidate& candidate : candidates) {
    candidate.fixed_weight = candidate.id % 2 == 0 ? 10 : 0.1;
  }

  const auto ids = owners<RingHash>(candidates);

  const auto n_of_heavy =
      std::count_if(ids.begin(), ids.end(), [](std::uint64_t id) { return id % 2 == 0; });
  CHECK(n_of_heavy > kKeys * 96 / 100);  // 0.99, but for points that the lightest have at the least
}

TEST_CASE("LoadBound: is the even share by the percentage, of those that may be chosen",
          "[balancer]") {
  auto candidates = pods(0, 10);
  const test::AllBut half{0, 1, 2, 3, 4};
  const LoadBound bound{.percent = 125};

  CHECK(bound.most_in_flight({candidates}, {.fixed_weight = 10, .in_flight = 99}) == 12.5);
  CHECK(bound.most_in_flight({candidates}, {.fixed_weight = 20, .in_flight = 99}) == 6.25);
  CHECK(bound.most_in_flight({}, {}) == 0);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    candidates[i].in_flight = i < 5 ? 100 : 19;
  }
  CHECK(bound.most_in_flight({candidates, &half}, {.fixed_weight = 10, .in_flight = 595}) ==
        24);  // 125 % of 96 / 5
}

TEST_CASE("LoadBound: goes by the weight, and leaves the first few requests alone", "[balancer]") {
  CHECK(LoadBound::has_room({.in_flight = 12}, 12.5));
  CHECK_FALSE(LoadBound::has_room({.in_flight = 13}, 12.5));
  CHECK(LoadBound::has_room({.in_flight = 24, .fixed_weight = 2}, 12.5));
  CHECK_FALSE(LoadBound::has_room({.in_flight = 25, .fixed_weight = 2}, 12.5));
  CHECK(LoadBound::has_room({.in_flight = LoadBound::kFreeRequests - 1}, 0));
  CHECK_FALSE(LoadBound::has_room({.in_flight = LoadBound::kFreeRequests}, 0));
}

TEMPLATE_TEST_CASE("hash policies: one key alone, however hot, buries no endpoint",
                   "[balancer]",
                   RingHash,
                   Maglev) {
  auto candidates = pods(0, 10);
  TestType policy;
  policy.adopt(candidates);
  const LoadBound bound{.percent = 125};

  for (std::uint64_t in_flight = 0; in_flight < 1000; ++in_flight) {
    const double most =
        bound.most_in_flight({candidates}, {.fixed_weight = 10, .in_flight = in_flight});
    ++candidates[policy.pick({candidates}, key_of(1), most).value()].in_flight;
  }

  for (const Candidate& candidate : candidates) {
    CHECK(candidate.in_flight <= 126);
  }
}
