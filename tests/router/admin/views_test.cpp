// SPDX-License-Identifier: Apache-2.0
#include "router/admin/views.hpp"

#include "router/control/control_plane.hpp"
#include "router/worker/core.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;
using namespace router;
using admin::make_stat;
using admin::Stat;
using admin::sum_endpoints;

namespace {

control::ServicePortRow port_of(const std::string& service,
                                std::uint16_t port,
                                std::uint32_t ready,
                                std::uint32_t known) {
  return {.service_namespace = "calc",
          .service = service,
          .port = port,
          .ready = ready,
          .known = known};
}

telemetry::WindowRow traffic_of(const std::string& service,
                                std::uint64_t ended,
                                std::uint64_t succeeded) {
  telemetry::WindowRow row;
  row.service_namespace = "calc";
  row.service = service;
  row.ended = ended;
  row.succeeded = succeeded;
  row.duration.add_to_cell(telemetry::HistogramCells::index_of(4ms), ended);
  return row;
}

telemetry::ServiceTotals totals_of(const std::string& service,
                                   const std::string& port,
                                   std::uint64_t connections) {
  telemetry::ServiceTotals totals;
  totals.service_namespace = "calc";
  totals.service = service;
  totals.port = port;
  totals.upstream_connections = {7, connections, 0};
  return totals;
}

EndpointView view_of(const std::string& address, const std::string& state, std::uint64_t requests) {
  EndpointView view;
  view.service_namespace = "calc";
  view.service = "add";
  view.port = 80;
  view.address = address;
  view.pod = "pod-of-" + address;
  view.state = state;
  view.requests = requests;
  return view;
}

}  // namespace

TEST_CASE("make_stat: joins what is known of a Service with its traffic", "[admin]") {
  const telemetry::WindowView window{.covered = 60s, .rows = {traffic_of("add", 600, 540)}};

  const Stat stat = make_stat({port_of("add", 80, 2, 3)},
                              {totals_of("add", "80", 4), totals_of("add", "81", 1)},
                              window,
                              "");

  CHECK(stat.window_seconds == 60);
  REQUIRE(stat.rows.size() == 1);
  const admin::StatRow& row = stat.rows[0];
  CHECK(row.service_namespace == "calc");
  CHECK(row.name == "add");
  CHECK(row.endpoints_ready == 2);
  CHECK(row.endpoints_total == 3);
  CHECK(row.success_ratio == 0.9);
  CHECK(row.rps == 10);
  CHECK(row.latency_p50_ms.value() == Approx(4).epsilon(0.05));
  CHECK(row.latency_p99_ms.value() == Approx(4).epsilon(0.05));
  CHECK(row.tcp_conn == 5);
}

TEST_CASE("make_stat: ports of a Service share its pods, so they are not added up", "[admin]") {
  const Stat stat = make_stat({port_of("add", 80, 2, 3), port_of("add", 81, 3, 3)}, {}, {}, "");

  REQUIRE(stat.rows.size() == 1);
  CHECK(stat.rows[0].endpoints_ready == 3);
  CHECK(stat.rows[0].endpoints_total == 3);
}

TEST_CASE("make_stat: a Service without traffic has a row and no ratio", "[admin]") {
  const Stat stat = make_stat({port_of("add", 80, 1, 1)}, {}, {.covered = 60s, .rows = {}}, "");

  REQUIRE(stat.rows.size() == 1);
  CHECK_FALSE(stat.rows[0].success_ratio.has_value());
  CHECK_FALSE(stat.rows[0].latency_p50_ms.has_value());
  CHECK(stat.rows[0].rps == 0);
}

TEST_CASE("make_stat: a Service that is gone keeps its row while it is in the window", "[admin]") {
  const Stat stat = make_stat({}, {}, {.covered = 60s, .rows = {traffic_of("gone", 1, 1)}}, "");

  REQUIRE(stat.rows.size() == 1);
  CHECK(stat.rows[0].name == "gone");
  CHECK(stat.rows[0].endpoints_total == 0);
}

TEST_CASE("make_stat: shows one namespace if one is wanted", "[admin]") {
  const std::vector<control::ServicePortRow> ports{port_of("add", 80, 1, 1)};

  CHECK(make_stat(ports, {}, {}, "calc").rows.size() == 1);
  CHECK(make_stat(ports, {}, {}, "shop").rows.empty());
}

TEST_CASE("sum_endpoints: counts of all workers are added, and the best state counts", "[admin]") {
  EndpointView one = view_of("10.0.0.1:80", "connecting", 10);
  one.in_flight = 1;
  one.connections = 1;
  one.weight = 0.1;
  one.ejected_for = "latency";
  EndpointView other = view_of("10.0.0.1:80", "ready", 30);
  other.failures = 2;
  other.connections = 1;
  other.weight = 1;

  const auto rows = sum_endpoints({one, other}, {});

  REQUIRE(rows.size() == 1);
  CHECK(rows[0].address == "10.0.0.1:80");
  CHECK(rows[0].pod == "pod-of-10.0.0.1:80");
  CHECK(rows[0].state == "ready");
  CHECK(rows[0].requests == 40);
  CHECK(rows[0].failures == 2);
  CHECK(rows[0].in_flight == 1);
  CHECK(rows[0].connections == 2);
  CHECK(rows[0].weight == Approx((11 * 0.1 + 31 * 1) / 42));
  CHECK(rows[0].ejected_for == "latency");
  CHECK_FALSE(rows[0].latency_ms.has_value());
}

TEST_CASE("sum_endpoints: latencies are weighted by the requests behind them", "[admin]") {
  EndpointView busy = view_of("10.0.0.1:80", "ready", 99);
  busy.latency = 10ms;
  EndpointView idle = view_of("10.0.0.1:80", "ready", 0);
  idle.latency = 110ms;
  const EndpointView unmeasured = view_of("10.0.0.1:80", "ready", 50);

  const auto rows = sum_endpoints({busy, idle, unmeasured}, {});

  REQUIRE(rows.size() == 1);
  CHECK(rows[0].latency_ms.value() == Approx((100 * 10.0 + 110) / 101));
}

TEST_CASE("sum_endpoints: endpoints come by Service, port and address, of the wanted namespace",
          "[admin]") {
  const auto rows =
      sum_endpoints({view_of("10.0.0.2:80", "ready", 1), view_of("10.0.0.1:80", "ready", 1)},
                    {.service_namespace = "calc", .service = "add"});

  REQUIRE(rows.size() == 2);
  CHECK(rows[0].address == "10.0.0.1:80");
  CHECK(sum_endpoints({view_of("10.0.0.2:80", "ready", 1)}, {.service_namespace = "shop"}).empty());
  CHECK(sum_endpoints({view_of("10.0.0.2:80", "ready", 1)}, {.service = "sub"}).empty());
}

TEST_CASE("list_endpoints: tells how long ago an endpoint came, and which ones nobody uses",
          "[admin]") {
  const auto used = sum_endpoints(
      {view_of("10.0.0.3:80", "ready", 1), view_of("10.0.0.2:80", "draining", 1)}, {});
  const std::chrono::steady_clock::time_point now{100s};
  const control::EndpointSince since{.service_namespace = "calc",
                                     .service = "add",
                                     .port = 80,
                                     .address = "10.0.0.3:80",
                                     .pod = "add-3",
                                     .first_seen = now - 90s};
  control::EndpointSince unused = since;
  unused.address = "10.0.0.1:80";
  unused.pod = "add-1";
  control::EndpointSince other_port = since;
  other_port.port = 81;
  other_port.first_seen = now;

  const admin::EndpointList list = admin::list_endpoints(
      used,
      [&](const auto& visit) {
        visit(other_port);
        visit(since);
        visit(unused);
      },
      now);

  CHECK(list.left_out == 0);
  REQUIRE(list.rows.size() == 4);  // by port and address
  CHECK(list.rows[0].state == "unused");
  CHECK(list.rows[0].pod == "add-1");
  CHECK(list.rows[0].age_seconds == 90);
  CHECK(list.rows[0].requests == 0);
  CHECK(list.rows[1].state == "draining");
  CHECK_FALSE(list.rows[1].age_seconds.has_value());
  CHECK(list.rows[2].state == "ready");
  CHECK(list.rows[2].age_seconds == 90);
  CHECK(list.rows[3].port == 81);
  CHECK(list.rows[3].state == "unused");
}

TEST_CASE("list_endpoints: of unused endpoints there is a bound, of used ones none", "[admin]") {
  const auto used = sum_endpoints({view_of("10.0.0.1:80", "ready", 1)}, {});
  constexpr std::size_t kMany = admin::EndpointList::kMaxUnused + 7;

  const admin::EndpointList list = admin::list_endpoints(
      used,
      [](const auto& visit) {
        control::EndpointSince since{.service_namespace = "calc", .service = "add"};
        for (std::size_t i = 0; i < kMany; ++i) {
          since.address = std::to_string(i);
          visit(since);
        }
        since.port = 80;
        since.address = "10.0.0.1:80";
        visit(since);
      },
      std::chrono::steady_clock::time_point{100s});

  CHECK(list.left_out == 7);
  CHECK(list.rows.size() == admin::EndpointList::kMaxUnused + 1);
  CHECK(list.rows.back().age_seconds.has_value());
}

TEST_CASE("rows: the CLI reads back what the admin endpoint wrote", "[admin]") {
  const Stat stat = make_stat({port_of("add", 80, 2, 3), port_of("sub", 80, 0, 0)},
                              {},
                              {.covered = 61s, .rows = {traffic_of("add", 9, 8)}},
                              "");
  EndpointView view = view_of("10.0.0.1:80", "ready", 9);
  view.latency = 3ms;
  auto endpoints = sum_endpoints({view, view_of("10.0.0.2:80", "draining", 0)}, {});
  endpoints[0].age_seconds = 5;

  CHECK(nlohmann::json::parse(nlohmann::json(stat).dump()).get<Stat>() == stat);
  CHECK(nlohmann::json::parse(nlohmann::json(endpoints).dump())
            .get<std::vector<admin::EndpointRow>>() == endpoints);
}
