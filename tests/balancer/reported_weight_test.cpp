// SPDX-License-Identifier: Apache-2.0
#include "balancer/reported_weight.hpp"

#include <chrono>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::ReportedWeight;

namespace {

constexpr balancer::TimePoint kStart{std::chrono::hours{1}};

std::vector<double> leveled(std::vector<double> weights) {
  balancer::level(weights);
  return weights;
}

}  // namespace

TEST_CASE("ReportedWeight: requests for each unit of utilization, where errors are load",
          "[balancer]") {
  ReportedWeight weight;
  weight.observe(100, 0, 0.5, kStart);
  CHECK(weight.weight(kStart + 10s) == 200);

  weight.observe(100, 50, 0.5, kStart + 10s);
  CHECK(weight.weight(kStart + 10s) == 100);
}

TEST_CASE("ReportedWeight: reports count after ten seconds, and three minutes after the last",
          "[balancer]") {
  ReportedWeight weight;
  CHECK_FALSE(weight.weight(kStart));
  weight.observe(100, 0, 0.5, kStart);

  CHECK_FALSE(weight.weight(kStart + 10s - 1ns));
  CHECK(weight.weight(kStart + 10s));
  CHECK(weight.weight(kStart + 3min - 1ns));
  CHECK_FALSE(weight.weight(kStart + 3min));
}

TEST_CASE("ReportedWeight: after a gap they must come for ten seconds again", "[balancer]") {
  ReportedWeight weight;
  weight.observe(100, 0, 0.5, kStart);
  weight.observe(100, 0, 0.5, kStart + 3min);

  CHECK_FALSE(weight.weight(kStart + 3min + 9s));
  CHECK(weight.weight(kStart + 3min + 10s));
}

TEST_CASE("ReportedWeight: a report without requests or utilization says nothing", "[balancer]") {
  ReportedWeight weight;
  weight.observe(100, 0, 0.5, kStart);

  weight.observe(0, 0, 0.5, kStart + 1s);
  weight.observe(100, 0, 0, kStart + 1s);

  CHECK(weight.weight(kStart + 10s) == 200);
}

TEST_CASE("level: weights are multiples of their mean, and who has none is the mean",
          "[balancer]") {
  CHECK(leveled({100, 300, 0}) == std::vector<double>{0.5, 1.5, 1});
  CHECK(leveled({0, 0, 0}) == std::vector<double>{1, 1, 1});
  CHECK(leveled({500, 0, 0}) == std::vector<double>{1, 1, 1});
  CHECK(leveled({}).empty());
}

TEST_CASE("level: nobody starves or is buried by figures that are nonsense", "[balancer]") {
  std::vector<double> weights(20, 1);
  weights[0] = 1e9;
  weights = leveled(weights);

  CHECK(weights[0] == 10);
  CHECK(weights[1] == 0.1);
}
