// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/totals.hpp"

#include <array>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::telemetry::CoreMetrics;
using router::telemetry::ServiceMetrics;
using router::telemetry::sum_services;

TEST_CASE("sum_services: adds up what the cores counted of the same Service port", "[telemetry]") {
  CoreMetrics one;
  CoreMetrics other;
  for (CoreMetrics* core : {&one, &other}) {
    ServiceMetrics& add = core->add_service("calc", "add", "80");
    add.requests.add(2);
    add.upstream_connections[1].add();
    add.ejections[2].add();
    add.zone_spills.add();
    add.add_response({.success = true, .grpc_status = 0, .http_class = 2}, 1ms, 2ms);
  }
  one.add_service("calc", "mul", "80").endpoints_ejected.add(1);
  other.add_service("calc", "mul", "80").endpoints_ejected.add(2);
  one.add_service("calc", "add", "81").add_response({.success = false, .http_class = 5}, 1ms, 2ms);

  const auto totals = sum_services(std::array<const CoreMetrics*, 2>{&one, &other});

  REQUIRE(totals.size() == 3);
  CHECK(totals[0].ejections[2] == 2);
  CHECK(totals[0].zone_spills == 2);
  CHECK(totals[2].endpoints_ejected == 2);  // of the worker that has ejected the most
  CHECK(totals[0].port == "80");
  CHECK(totals[0].requests == 4);
  CHECK(totals[0].upstream_connections[1] == 2);
  CHECK(totals[0].connected() == 2);
  CHECK(totals[0].ended() == 2);
  CHECK(totals[0].succeeded() == 2);
  REQUIRE(totals[0].responses.size() == 1);
  CHECK(totals[0].duration.count() == 2);
  CHECK(totals[1].port == "81");
  CHECK(totals[1].ended() == 1);
  CHECK(totals[1].succeeded() == 0);
}

TEST_CASE("sum_services: the block of requests without a Service counts from its first request",
          "[telemetry]") {
  CoreMetrics core;
  ServiceMetrics& unresolved = core.add_service("", "", "");
  const std::array<const CoreMetrics*, 1> cores{&core};
  REQUIRE(sum_services(cores).empty());

  unresolved.requests.add();

  CHECK(sum_services(cores).size() == 1);
}
