// SPDX-License-Identifier: Apache-2.0
#include "balancer/subset.hpp"

#include "balancer/stable_hash.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace {

std::vector<std::uint64_t> hashes_of(const std::string& what, std::size_t n) {
  std::vector<std::uint64_t> hashes;
  for (std::size_t i = 0; i < n; ++i) {
    hashes.push_back(balancer::stable_hash(what + std::to_string(i)));
  }
  return hashes;
}

}  // namespace

TEST_CASE("subset_of: 100 routers with 20 of 100 pods each use all of them, none too much",
          "[balancer]") {
  const auto pods = hashes_of("pod-", 100);
  std::vector<int> users(pods.size());

  for (const std::uint64_t router : hashes_of("node-", 100)) {
    const auto subset = balancer::subset_of(pods, router, 20);
    REQUIRE(subset.size() == 20);
    REQUIRE(std::adjacent_find(subset.begin(), subset.end()) == subset.end());
    for (const std::size_t pod : subset) {
      ++users[pod];
    }
  }

  CHECK(*std::min_element(users.begin(), users.end()) >= 10);
  CHECK(*std::max_element(users.begin(), users.end()) <= 32);
}

TEST_CASE("subset_of: with more routers the pods are used more evenly", "[balancer]") {
  const auto pods = hashes_of("pod-", 100);
  std::vector<int> users(pods.size());

  for (const std::uint64_t router : hashes_of("node-", 2000)) {
    for (const std::size_t pod : balancer::subset_of(pods, router, 20)) {
      ++users[pod];
    }
  }

  CHECK(*std::min_element(users.begin(), users.end()) >= 340);
  CHECK(*std::max_element(users.begin(), users.end()) <= 460);
}

TEST_CASE("subset_of: a pod that goes changes at most one in each subset", "[balancer]") {
  auto pods = hashes_of("pod-", 50);
  const std::uint64_t gone = pods.back();

  for (const std::uint64_t router : hashes_of("node-", 100)) {
    const auto used = [&](const std::vector<std::uint64_t>& of) {
      std::vector<std::uint64_t> names;
      for (const std::size_t pod : balancer::subset_of(of, router, 10)) {
        names.push_back(of[pod]);
      }
      std::sort(names.begin(), names.end());
      return names;
    };
    const auto before = used(pods);
    const auto after = used({pods.begin(), std::prev(pods.end())});
    std::vector<std::uint64_t> lost;
    std::set_difference(
        before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(lost));
    const bool was_used = std::binary_search(before.begin(), before.end(), gone);
    CHECK(lost == (was_used ? std::vector{gone} : std::vector<std::uint64_t>{}));
  }
}

TEST_CASE("subset_of: all of them, if they are no more", "[balancer]") {
  CHECK(balancer::subset_of(hashes_of("pod-", 3), 1, 3) == std::vector<std::size_t>{0, 1, 2});
  CHECK(balancer::subset_of({}, 1, 3).empty());
}
