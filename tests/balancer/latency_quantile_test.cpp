// SPDX-License-Identifier: Apache-2.0
#include "balancer/latency_quantile.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace balancer {
namespace {

/// Latencies as they are: log-normal about 5 ms.
std::chrono::nanoseconds draw(std::minstd_rand& random, double scale) {
  const double ms = 5 * scale * std::exp(std::normal_distribution<double>{0, 0.5}(random));
  return std::chrono::nanoseconds{static_cast<std::int64_t>(ms * 1e6)};
}

double share_above(std::chrono::nanoseconds limit, std::minstd_rand& random, double scale) {
  constexpr int kDraws = 5000;
  int n_above = 0;
  for (int i = 0; i < kDraws; ++i) {
    n_above += draw(random, scale) > limit ? 1 : 0;
  }
  return static_cast<double>(n_above) / kDraws;
}

}  // namespace

TEST_CASE("LatencyQuantile: says nothing before there are enough samples", "[balancer]") {
  LatencyQuantile quantile{0.95};
  for (std::uint32_t i = 0; i + 1 < LatencyQuantile::kMinSamples; ++i) {
    quantile.observe(5ms);
  }
  CHECK_FALSE(quantile.estimate().has_value());
  quantile.observe(5ms);
  CHECK(quantile.estimate().has_value());
}

TEST_CASE(
    "LatencyQuantile: about one in twenty is beyond the 5th and the 95th percentile, also "
    "after a change",
    "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  const bool is_high = GENERATE(false, true);
  CAPTURE(seed, is_high);
  std::minstd_rand random{seed};
  LatencyQuantile quantile{is_high ? 0.95 : 0.05};

  for (const double scale : {1.0, 10.0, 0.1}) {
    CAPTURE(scale);
    for (int i = 0; i < 3000; ++i) {
      quantile.observe(draw(random, scale));
    }
    const double above = share_above(*quantile.estimate(), random, scale);
    const double share = is_high ? above : 1 - above;
    CHECK(share > 0.015);
    CHECK(share < 0.12);
  }
}

}  // namespace balancer
