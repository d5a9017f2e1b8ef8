// SPDX-License-Identifier: Apache-2.0
#include "router/control/cluster_check.hpp"

#include <string>
#include <variant>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace router::control;
using nlohmann::json;

namespace {

using Status = Check::Status;

json list_of(const json& data) {
  return {
      {"items",
       json::array(
           {{{"metadata",
              {{"name", "nodeway"}, {"namespace", "shop"}, {"uid", "u"}, {"resourceVersion", "7"}}},
             {"data", data}}})}};
}

}  // namespace

TEST_CASE("judge_version: 1.21 and later are new enough, also with a cloud's plus sign",
          "[cluster_check]") {
  CHECK(judge_version({{"major", "1"}, {"minor", "21"}}) ==
        passed("Kubernetes 1.21 (1.21 or later is needed)"));
  CHECK(judge_version({{"major", "1"}, {"minor", "37+"}}).status == Status::passed);
  CHECK(judge_version({{"major", "2"}, {"minor", "0"}}).status == Status::passed);
}

TEST_CASE("judge_version: an older server, and what is none, are told with a hint",
          "[cluster_check]") {
  const Check old = judge_version({{"major", "1"}, {"minor", "20"}});

  CHECK(old == failed("Kubernetes 1.20 has no discovery.k8s.io/v1", "update it to 1.21 or later"));
  for (const json& reply : {json{{"major", 1}, {"minor", 30}}, json::array(), json::object()}) {
    CAPTURE(reply.dump());
    CHECK(judge_version(reply).status == Status::failed);
    CHECK_FALSE(judge_version(reply).hint.empty());
  }
}

TEST_CASE("judge_config_map: a valid one passes", "[cluster_check]") {
  const auto checks = judge_config_map(list_of({{"nodeway.yaml", "version: 1\n"}}), "shop/nodeway");

  REQUIRE(checks.size() == 2);
  CHECK(checks[0] == passed("ConfigMap shop/nodeway is there, 11 bytes"));
  CHECK(checks[1] == passed("it is valid"));
}

TEST_CASE("judge_config_map: each error is a failure with line and column", "[cluster_check]") {
  const auto checks = judge_config_map(
      list_of({{"nodeway.yaml", "version: 1\nservces: {}\ndefaults: []\n"}}), "shop/nodeway");

  REQUIRE(checks.size() == 3);
  CHECK(checks[1].status == Status::failed);
  CHECK(checks[1].text ==
        R"(nodeway.yaml: 2:1: servces: unknown field "servces"; did you mean services?)");
  CHECK(checks[2].text.starts_with("nodeway.yaml: 3:11: defaults: "));
  CHECK_FALSE(checks[2].hint.empty());
}

TEST_CASE("judge_config_map: none is no failure, one without the key is", "[cluster_check]") {
  const auto none = judge_config_map({{"items", json::array()}}, "shop/nodeway");
  const auto other = judge_config_map(list_of({{"nodeway.yml", "version: 1"}}), "shop/nodeway");

  REQUIRE(none.size() == 1);
  CHECK(none[0].status == Status::skipped);
  REQUIRE(other.size() == 1);
  CHECK(other[0].status == Status::failed);
  CHECK(other[0].text ==
        "ConfigMap shop/nodeway: it has no key nodeway.yaml in its data, but nodeway.yml");
}

TEST_CASE("judge_config_map: a reply that is no list is told", "[cluster_check]") {
  for (const json& reply : {json::object(), json::array(), json{{"items", 1}}}) {
    CAPTURE(reply.dump());
    CHECK(judge_config_map(reply, "shop/nodeway").front().status == Status::failed);
  }
}

TEST_CASE("check_cluster: says why it is not known which cluster is meant", "[cluster_check]") {
  const auto found =
      check_cluster({.kubeconfig = "/nowhere/config", .config_namespace = "nodeway-system"});

  REQUIRE(std::holds_alternative<std::string>(found));
  CHECK(std::get<std::string>(found).find("/nowhere/config") != std::string::npos);
}
