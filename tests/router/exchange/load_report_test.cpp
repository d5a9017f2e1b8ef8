// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/load_report.hpp"

#include <optional>
#include <string>

#include <catch2/catch.hpp>

namespace router {
namespace {

std::optional<LoadReport> report_in(const std::string& name, const std::string& value) {
  HeaderList list;
  list.add_copy("content-type", "application/grpc");
  list.add_copy(name, value);
  return load_report_of(list);
}

std::optional<LoadReport> tagged(const std::string& value) {
  return report_in("endpoint-load-metrics", value);
}

}  // namespace

TEST_CASE("load_report_of: text, with its tag or as Envoy's native form", "[exchange]") {
  const LoadReport expected{.utilization = 0.25, .requests_per_second = 40, .errors_per_second = 2};

  CHECK(tagged("TEXT cpu_utilization=0.25,rps_fractional=40,eps=2") == expected);
  CHECK(tagged("TEXT cpu_utilization=0.25, mem_utilization=0.9, rps_fractional=40, eps=2, "
               "named_metrics.kv_cache=x") == expected);
  CHECK(tagged("cpu_utilization:0.25, rps_fractional:40, eps:2") == expected);
  CHECK(tagged("TEXT application_utilization=0.25,cpu_utilization=0.9,rps=40,eps=2") == expected);
}

TEST_CASE("load_report_of: JSON, whatever else it holds", "[exchange]") {
  const LoadReport expected{.utilization = 0.25, .requests_per_second = 40, .errors_per_second = 2};

  CHECK(tagged(R"(JSON {"cpu_utilization":0.25,"rps_fractional":40.0,"eps":2})") == expected);
  CHECK(tagged(R"(JSON { "cpuUtilization" : 0.25 , "rps" : "40", "eps" : 2e0 })") == expected);
  CHECK(tagged(R"(JSON {"named_metrics":{"eps":9,"a}\"b":{"c":[1,2]}},"eps":2,"rps":40,)"
               R"("cpu_utilization":0.25,"more":true})") == expected);
  CHECK(report_in("endpoint-load-metrics-json",
                  R"({"cpu_utilization":0.25,"rps_fractional":40,"eps":2})") == expected);
  CHECK(tagged("JSON {}") == LoadReport{});
}

TEST_CASE("load_report_of: an OrcaLoadReport in base64, padded or not", "[exchange]") {
  // cpu_utilization: 0.25, rps_fractional: 40, eps: 2, named_metrics {"a": 1}
  const std::string bin = "CQAAAAAAANA/MQAAAAAAAERAOQAAAAAAAABAQgwKAWERAAAAAAAA8D8";
  const LoadReport expected{.utilization = 0.25, .requests_per_second = 40, .errors_per_second = 2};

  CHECK(report_in("endpoint-load-metrics-bin", bin) == expected);
  CHECK(report_in("endpoint-load-metrics-bin", bin + "=") == expected);
  CHECK(tagged("BIN " + bin) == expected);
  // mem_utilization: 0.5, rps: 300, application_utilization: 0.75
  CHECK(report_in("endpoint-load-metrics-bin", "EQAAAAAAAOA/GKwCSQAAAAAAAOg/") ==
        LoadReport{.utilization = 0.75, .requests_per_second = 300});
}

TEST_CASE("load_report_of: nothing of what cannot be read, or cannot be", "[exchange]") {
  CHECK_FALSE(report_in("endpoint-load", "TEXT eps=1"));
  CHECK_FALSE(tagged("TEXT cpu_utilization=-0.1"));
  CHECK_FALSE(tagged("TEXT cpu_utilization=nan"));
  CHECK_FALSE(tagged("TEXT eps=inf"));
  CHECK_FALSE(tagged("TEXT eps=1x"));
  CHECK_FALSE(tagged("TEXT eps"));
  CHECK_FALSE(tagged("JSON {\"eps\":1"));
  CHECK_FALSE(tagged("JSON {\"eps\":{}}"));
  CHECK_FALSE(tagged("JSON {\"a\":[{]"));
  CHECK_FALSE(tagged("JSON {\"a"));
  CHECK_FALSE(tagged("JSON []"));
  CHECK_FALSE(tagged("BIN CQAA"));
  CHECK_FALSE(tagged("BIN *"));
  CHECK_FALSE(tagged("BIN " + std::string(4000, 'A')));
}

}  // namespace router
