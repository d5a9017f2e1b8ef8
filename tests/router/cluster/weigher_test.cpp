// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/weigher.hpp"

#include <chrono>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

constexpr router::TimePoint kStart{std::chrono::hours{1}};

/// Three endpoints.
struct Endpoints {
  Endpoints() { weigher.adopt({&each[0], &each[1], &each[2]}, kStart); }

  [[nodiscard]] std::vector<double> at(router::TimePoint now) {
    const auto weights = weigher.weights(now);
    return {weights.begin(), weights.end()};
  }

  std::vector<router::Weighed> each{3};
  router::Weigher weigher;
};

}  // namespace

TEST_CASE("Weigher: equal, and not asked for again, without reports and newcomers", "[cluster]") {
  Endpoints endpoints;

  CHECK(endpoints.weigher.is_due(kStart));
  CHECK(endpoints.at(kStart) == std::vector<double>{1, 1, 1});
  CHECK_FALSE(endpoints.weigher.is_due(kStart + 24h));
}

TEST_CASE("Weigher: by what the endpoints report, once they have done so for ten seconds",
          "[cluster]") {
  Endpoints endpoints;
  CHECK(endpoints.at(kStart) == std::vector<double>{1, 1, 1});
  endpoints.weigher.observe(0, {.utilization = 0.25, .requests_per_second = 100}, kStart);
  endpoints.weigher.observe(1, {.utilization = 0.75, .requests_per_second = 100}, kStart);

  CHECK(endpoints.weigher.is_due(kStart + 1s));
  CHECK(endpoints.at(kStart + 1s) == std::vector<double>{1, 1, 1});
  CHECK(endpoints.weigher.is_due(kStart + 10s));
  CHECK(endpoints.at(kStart + 10s) == std::vector<double>{1.5, 0.5, 1});
  CHECK(endpoints.at(kStart + 5min) == std::vector<double>{1, 1, 1});
  CHECK_FALSE(endpoints.weigher.is_due(kStart + 24h));
}

TEST_CASE("Weigher: the configuration's weights multiply those that are reported", "[cluster]") {
  Endpoints endpoints;
  endpoints.each[0].configured = 2;
  endpoints.each[2].configured = 0.5;

  CHECK(endpoints.at(kStart) == std::vector<double>{2, 1, 0.5});
  CHECK_FALSE(endpoints.weigher.is_due(kStart + 24h));
  endpoints.weigher.observe(0, {.utilization = 0.25, .requests_per_second = 100}, kStart);
  endpoints.weigher.observe(1, {.utilization = 0.75, .requests_per_second = 100}, kStart);
  CHECK(endpoints.at(kStart + 10s) == std::vector<double>{3, 0.5, 0.5});
}

TEST_CASE("Weigher: one that has just come rises to its share", "[cluster]") {
  Endpoints endpoints;
  endpoints.weigher.apply(30s);
  endpoints.each[2].came_at = kStart;

  CHECK(endpoints.at(kStart) == std::vector<double>{1, 1, 0.1});
  CHECK(endpoints.weigher.is_due(kStart + 1s));
  CHECK(endpoints.at(kStart + 15s) == std::vector<double>{1, 1, 0.5});
  CHECK(endpoints.at(kStart + 30s) == std::vector<double>{1, 1, 1});
  CHECK_FALSE(endpoints.weigher.is_due(kStart + 24h));
}
