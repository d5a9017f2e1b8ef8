// SPDX-License-Identifier: Apache-2.0
// How a wrong configuration is told, above all by Events on the ConfigMap.
#include "router/control/config_follower.hpp"
#include "tests/router/control/control_plane_bench.hpp"

#include <chrono>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;
using test::Bench;
using test::has;
using test::kGood;
using test::kWrong;

TEST_CASE("ControlPlane: a wrong configuration is told by log, status and Event, once",
          "[control_plane]") {
  Bench bench{{.node = "node-1"}};
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);
  bench.log.clear();

  bench.put_config(kWrong);
  bench.clock.advance(10s);

  CHECK(bench.cart_policy().connect_timeout == 2s);  // the last good one
  CHECK(bench.control.is_ready());
  CHECK_FALSE(bench.control.status().config.valid);
  CHECK(has(bench.control.status().config.error, "2:22: defaults.timeout.conect"));
  REQUIRE(bench.log.size() == 1);
  CHECK(bench.log[0].level == LogLevel::error);
  CHECK(has(bench.log[0].message, "the last good configuration stays in force"));
  CHECK(has(bench.log[0].error, "2:22: "));
  REQUIRE(bench.script.events.size() == 1);
  const k8s_client::EventNote& event = bench.script.events[0];
  CHECK(event.type == k8s_client::EventNote::Type::warning);
  CHECK(event.about.uid == "uid-of-config");
  CHECK(event.reason == "InvalidConfiguration");
  CHECK(has(event.message, "2:22: defaults.timeout.conect"));
  CHECK(event.reporter == "node-1");
}

TEST_CASE("ControlPlane: the nodes of a cluster make their Events at times of their own",
          "[control_plane]") {
  int early = 0;
  constexpr int kNodes = 100;
  for (unsigned seed = 0; seed < kNodes; ++seed) {
    Bench node{{.seed = seed}};
    node.start();
    node.sync_config(std::nullopt);
    node.control.stores().config_maps.put(Bench::config_map(kWrong, "nodeway-system"));
    node.clock.advance(kMaxEventDelay / 2);
    early += node.script.events.empty() ? 0 : 1;
    node.clock.advance(kMaxEventDelay / 2);
    CHECK(node.script.events.size() == 1);
  }

  CHECK(early > kNodes / 4);
  CHECK(early < kNodes * 3 / 4);
}

TEST_CASE("ControlPlane: what is mended within moments, or wrong in another way, makes no Event",
          "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_config(std::nullopt);
  const auto put = [&bench](const std::string& text) {
    bench.control.stores().config_maps.put(Bench::config_map(text, "nodeway-system"));
  };

  put(kWrong);
  put("version: 2\n");
  bench.clock.advance(2 * kMaxEventDelay);
  REQUIRE(bench.script.events.size() == 1);
  CHECK_FALSE(has(bench.script.events[0].message, "conect"));

  put(kWrong);
  put(kGood);
  bench.clock.advance(2 * kMaxEventDelay);
  CHECK(bench.script.events.size() == 1);
}

TEST_CASE("ControlPlane: an Event that cannot be made is logged", "[control_plane]") {
  Bench bench;
  bench.script.events_fail = true;
  bench.start();

  bench.sync_config(kWrong);
  bench.clock.advance(kMaxEventDelay);

  REQUIRE_FALSE(bench.log.empty());
  CHECK(bench.log.back().level == LogLevel::warning);
  CHECK(bench.log.back().error == "events is forbidden");
}
