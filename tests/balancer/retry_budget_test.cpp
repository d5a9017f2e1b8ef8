// SPDX-License-Identifier: Apache-2.0
#include "balancer/retry_budget.hpp"

#include <chrono>
#include <cstdint>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace balancer {
namespace {

/// How many retries so many requests may have.
std::uint64_t allowed(const RetryBudget& budget, std::uint64_t requests) {
  std::uint64_t retries = 0;
  while (retries < 10'000 && budget.allows_one_more(requests, retries)) {
    ++retries;
  }
  return retries;
}

}  // namespace

TEST_CASE("RetryBudget: a fifth of the window's requests, and ten for each of its seconds",
          "[balancer]") {
  const RetryBudget budget{.ratio = 0.2, .min_per_second = 10, .window = 10s};

  CHECK(allowed(budget, 0) == 100);
  CHECK(allowed(budget, 500) == 200);
  CHECK(allowed(budget, 504) == 200);  // no part of a retry
  CHECK(allowed(budget, 505) == 201);
}

TEST_CASE("RetryBudget: may be nothing at all", "[balancer]") {
  CHECK(allowed({.ratio = 0, .min_per_second = 0, .window = 10s}, 1000) == 0);
  CHECK(allowed({.ratio = 1, .min_per_second = 0, .window = 10s}, 1000) == 1000);
}

}  // namespace balancer
