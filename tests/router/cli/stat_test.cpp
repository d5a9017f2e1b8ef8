// SPDX-License-Identifier: Apache-2.0
#include "router/cli/stat.hpp"

#include "router/cli/endpoints.hpp"

#include <catch2/catch.hpp>

using router::admin::EndpointRow;
using router::admin::StatRow;
using router::cli::format_endpoints;
using router::cli::format_stat;
using router::cli::format_view;

namespace {

const StatRow kPercentage{.service_namespace = "calc",
                          .name = "percentage",
                          .endpoints_ready = 3,
                          .endpoints_total = 3,
                          .success_ratio = 1,
                          .rps = 10.2,
                          .latency_p50_ms = 4.1,
                          .latency_p95_ms = 15.4,
                          .latency_p99_ms = 18.6,
                          .tcp_conn = 6};

}  // namespace

TEST_CASE("format_stat: prints the table that people know, to the letter", "[cli]") {
  CHECK(format_stat({kPercentage}) ==
        "NAMESPACE  NAME        ENDPOINTS  SUCCESS      RPS  LATENCY_P50  LATENCY_P95  LATENCY_P99 "
        " TCP_CONN\n"
        "calc       percentage  3/3        100.00%  10.2rps          4ms         15ms         19ms "
        "        6\n");
}

TEST_CASE("format_stat: columns are as wide as their widest cell", "[cli]") {
  StatRow div = kPercentage;
  div.name = "div";
  div.service_namespace = "a-long-namespace";
  div.success_ratio = 0.8851;
  div.rps = 1234.56;

  CHECK(format_stat({kPercentage, div}) ==
        "NAMESPACE         NAME        ENDPOINTS  SUCCESS        RPS  LATENCY_P50  LATENCY_P95  "
        "LATENCY_P99  TCP_CONN\n"
        "calc              percentage  3/3        100.00%    10.2rps          4ms         15ms     "
        "    19ms         6\n"
        "a-long-namespace  div         3/3         88.51%  1234.6rps          4ms         15ms     "
        "    19ms         6\n");
}

TEST_CASE("format_stat: one failure among many does not read as none", "[cli]") {
  StatRow row = kPercentage;
  row.success_ratio = 0.99999;

  CHECK(format_stat({row}).find(" 99.99% ") != std::string::npos);
}

TEST_CASE("format_stat: a Service without requests has dashes", "[cli]") {
  const StatRow idle{
      .service_namespace = "calc", .name = "idle", .endpoints_ready = 1, .endpoints_total = 1};

  CHECK(
      format_stat({idle}) ==
      "NAMESPACE  NAME  ENDPOINTS  SUCCESS  RPS  LATENCY_P50  LATENCY_P95  LATENCY_P99  TCP_CONN\n"
      "calc       idle  1/1              -    -            -            -            -         "
      "0\n");
}

TEST_CASE("format_stat: requests that named no Service have a row of their own", "[cli]") {
  StatRow row = kPercentage;
  row.service_namespace.clear();
  row.name.clear();

  CHECK(format_stat({row}).find("\n-          (no service)  -  ") != std::string::npos);
}

TEST_CASE("format_stat: latencies below a millisecond are not rounded to none", "[cli]") {
  StatRow row = kPercentage;
  row.latency_p50_ms = 0.34;

  CHECK(format_stat({row}).find(" 0.3ms ") != std::string::npos);
}

TEST_CASE("format_stat: wide tells failures and exact latencies", "[cli]") {
  StatRow row = kPercentage;
  row.success_ratio = 0.5;

  CHECK(format_stat({row}, true) ==
        "NAMESPACE  NAME        ENDPOINTS  SUCCESS      RPS  FAILED  LATENCY_P50  LATENCY_P95  "
        "LATENCY_P99  TCP_CONN\n"
        "calc       percentage  3/3         50.00%  10.2rps  5.1rps       4.10ms      15.40ms      "
        "18.60ms         6\n");
}

TEST_CASE("format_endpoints: one line for each endpoint", "[cli]") {
  const EndpointRow row{.service_namespace = "calc",
                        .service = "add",
                        .port = 80,
                        .address = "10.0.0.1:8080",
                        .pod = "add-0",
                        .state = "ready",
                        .requests = 120,
                        .failures = 1,
                        .in_flight = 2,
                        .latency_ms = 3.25,
                        .age_seconds = 135,
                        .connections = 1};
  EndpointRow unmeasured = row;
  unmeasured.latency_ms.reset();
  unmeasured.age_seconds.reset();
  unmeasured.pod = "add-1";
  unmeasured.state = "connecting";

  CHECK(format_endpoints({row, unmeasured}) ==
        "NAMESPACE  SERVICE  PORT  POD    ADDRESS        STATE       REQUESTS  FAILURES  IN_FLIGHT "
        " LATENCY    AGE\n"
        "calc       add        80  add-0  10.0.0.1:8080  ready            120         1          2 "
        "   3.2ms  2m15s\n"
        "calc       add        80  add-1  10.0.0.1:8080  connecting       120         1          2 "
        "       -      -\n");

  EndpointRow ejected = row;
  ejected.weight = 0.5;
  ejected.ejected_for = "latency";
  const std::string wide = format_endpoints({ejected, unmeasured}, true);
  CHECK_THAT(wide, Catch::Contains("CONNECTIONS  WEIGHT  EJECTED_FOR\n"));
  CHECK_THAT(wide, Catch::Contains("          1    0.50  latency"));
  CHECK_THAT(wide, Catch::Contains("          1       -  -"));
}

TEST_CASE("format_view: says how long ago each resource was heard of, and what may be stale",
          "[cli]") {
  CHECK(format_view({{.resource = "services",
                      .fresh = true,
                      .watching = true,
                      .last_contact_age_seconds = 12.6},
                     {.resource = "endpointslices",
                      .fresh = false,
                      .watching = false,
                      .last_contact_age_seconds = 312,
                      .last_error = "Connection refused"},
                     {.resource = "configmaps",
                      .fresh = true,
                      .watching = false,
                      .last_contact_age_seconds = 130}}) ==
        "Fresh: services heard of 12s ago, configmaps heard of 2m10s ago\n"
        "Perhaps stale: endpointslices heard of 5m12s ago, no watch open: Connection refused\n");
  CHECK(format_view({{.resource = "files", .fresh = true, .watching = true}}) == "Fresh: files\n");
}

TEST_CASE("format_saved_view: says how old the view is that is served", "[cli]") {
  CHECK(router::cli::format_saved_view(std::nullopt).empty());
  CHECK(router::cli::format_saved_view(130) ==
        "A saved view is served, 2m10s old, until the cluster has been seen whole\n");
}

TEST_CASE("format_stat: a whole hundredth of success is shown as it is", "[cli]") {
  for (int succeeded = 1; succeeded <= 100; ++succeeded) {
    CAPTURE(succeeded);
    StatRow row = kPercentage;
    row.success_ratio = succeeded / 100.0;

    CHECK(format_stat({row}).find(" " + std::to_string(succeeded) + ".00% ") != std::string::npos);
  }
}

TEST_CASE("format_age: writes ages as kubectl does", "[cli]") {
  const auto [seconds, text] = GENERATE(table<double, const char*>({
      {-1.0, "0s"},
      {0.9, "0s"},
      {119.0, "119s"},
      {120.0, "2m"},
      {599.0, "9m59s"},
      {600.0, "10m"},
      {3.0 * 3600 - 1, "179m"},
      {3.0 * 3600, "3h"},
      {7.0 * 3600 + 300, "7h5m"},
      {47.9 * 3600, "47h"},
      {49.0 * 3600, "2d1h"},
      {200.0 * 3600, "8d"},
  }));

  CHECK(router::cli::format_age(seconds) == text);
}
