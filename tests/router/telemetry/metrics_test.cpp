// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/metrics.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::telemetry::CoreFigure;
using router::telemetry::CoreMetrics;
using router::telemetry::Limit;
using router::telemetry::ResponseCell;
using router::telemetry::ResponseKey;
using router::telemetry::ServiceMetrics;

namespace {

struct Series {
  ResponseKey key;
  std::uint64_t count;
};

std::vector<Series> series_of(const ServiceMetrics& service) {
  std::vector<Series> all;
  service.each_response([&all](const ResponseCell& cell) {
    all.push_back({cell.key, cell.count.read()});
  });
  return all;
}

}  // namespace

TEST_CASE("ServiceMetrics: responses of the same kind share a series, made at the first of them",
          "[telemetry]") {
  ServiceMetrics service{"calc", "add", "80"};
  const ResponseKey good{.success = true, .grpc_status = 0, .http_class = 2, .reason = 0};
  const ResponseKey bad{.success = false, .grpc_status = 14, .http_class = 2, .reason = 13};
  REQUIRE(series_of(service).empty());

  service.add_response(good, 1ms, 2ms);
  service.add_response(bad, 1ms, 2ms);
  service.add_response(good, 1ms, 2ms);

  const std::vector<Series> all = series_of(service);
  REQUIRE(all.size() == 2);
  CHECK(all[0].key == good);
  CHECK(all[0].count == 2);
  CHECK(all[1].key == bad);
  CHECK(all[1].count == 1);
}

TEST_CASE("ServiceMetrics: statuses that gRPC does not know are counted as UNKNOWN",
          "[telemetry]") {
  ServiceMetrics service{"calc", "add", "80"};

  service.add_response(
      {.success = false, .grpc_status = 17, .http_class = 2, .reason = 0}, 1ms, 2ms);
  service.add_response(
      {.success = false, .grpc_status = 200, .http_class = 2, .reason = 0}, 1ms, 2ms);

  const std::vector<Series> all = series_of(service);
  REQUIRE(all.size() == 1);
  CHECK(all[0].key.grpc_status == 2);
}

TEST_CASE("ServiceMetrics: a request without a reply's head has a duration only", "[telemetry]") {
  ServiceMetrics service{"calc", "add", "80"};

  service.add_response({.success = false, .http_class = 0, .reason = 20}, 0ns, 2ms);

  CHECK(service.response_start.read().count() == 0);
  CHECK(service.duration.read().count() == 1);
}

TEST_CASE("CoreMetrics: blocks keep their place while others are added", "[telemetry]") {
  CoreMetrics metrics;
  ServiceMetrics& first = metrics.add_service("calc", "add", "80");
  for (int i = 0; i < 1'000; ++i) {
    metrics.add_service("calc", "s" + std::to_string(i), "80");
  }

  first.requests.add();

  std::vector<std::string> names;
  std::uint64_t requests = 0;
  metrics.each_service([&](const ServiceMetrics& service) {
    names.push_back(service.service);
    requests += service.requests.read();
  });
  CHECK(names.size() == 1'001);
  CHECK(names.front() == "add");
  CHECK(names.back() == "s999");
  CHECK(requests == 1);
}

TEST_CASE("CoreMetrics: figures and limits count apart from each other", "[telemetry]") {
  CoreMetrics metrics;

  metrics.figure(CoreFigure::client_connections_open).add(3);
  metrics.figure(CoreFigure::client_connections_open).subtract();
  metrics.hit(Limit::repicks);

  CHECK(metrics.figure(CoreFigure::client_connections_open).read() == 2);
  CHECK(metrics.figure(CoreFigure::client_connections).read() == 0);
  CHECK(metrics.hits(Limit::repicks) == 1);
  CHECK(metrics.hits(Limit::write_stall) == 0);
}

TEST_CASE("CoreMetrics: a reader on another thread sees whole blocks only", "[telemetry]") {
  CoreMetrics metrics;
  std::atomic<bool> is_done{false};
  std::thread writer{[&] {
    for (int i = 0; i < 2'000; ++i) {
      ServiceMetrics& service = metrics.add_service("calc", "add", std::to_string(i));
      service.add_response({.success = true, .http_class = 2}, 1ms, 1ms);
    }
    is_done = true;
  }};

  bool all_named = true;
  while (!is_done) {
    metrics.each_service([&](const ServiceMetrics& service) {
      all_named = all_named && service.service == "add" && !service.port.empty();
      service.each_response(
          [&](const ResponseCell& cell) { all_named = all_named && cell.key.http_class == 2; });
    });
  }

  writer.join();
  CHECK(all_named);
}
