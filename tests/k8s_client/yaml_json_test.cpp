// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/yaml_json.hpp"

#include <string>
#include <yaml-cpp/yaml.h>

#include <catch2/catch.hpp>

using namespace k8s_client;
using nlohmann::json;

namespace {

constexpr std::size_t kManyNodes = 10'000;

json converted(const std::string& text) {
  const auto documents = load_yaml(text);
  REQUIRE(documents.has_value());
  REQUIRE(documents->size() == 1);
  const auto value = yaml_to_json(documents->front(), kManyNodes);
  REQUIRE(value.has_value());
  return *value;
}

YamlProblem problem_of(const std::string& text, std::size_t max_nodes = kManyNodes) {
  const auto documents = load_yaml(text);
  if (!documents) {
    return documents.error();
  }
  const auto value = yaml_to_json(documents->front(), max_nodes);
  REQUIRE_FALSE(value.has_value());
  return value.error();
}

}  // namespace

TEST_CASE("yaml_to_json: plain scalars become what the core schema says", "[k8s_client]") {
  const auto [text, value] = GENERATE(table<std::string, json>(
      {{"v: ~", nullptr},        {"v: null", nullptr},
       {"v:", nullptr},          {"v: true", true},
       {"v: FALSE", false},      {"v: 80", 80},
       {"v: +80", 80},           {"v: -80", -80},
       {"v: 0x1F", 31},          {"v: 0o17", 15},
       {"v: 0017", 17},          {"v: 18446744073709551615", 18446744073709551615U},
       {"v: 1.5", 1.5},          {"v: .5", 0.5},
       {"v: 1e3", 1000.0},       {"v: 10.244.1.5", "10.244.1.5"},
       {"v: 1.2.3", "1.2.3"},    {"v: yes", "yes"},
       {"v: on", "on"},          {"v: nan", "nan"},
       {"v: +-1", "+-1"},        {"v: 1m30s", "1m30s"},
       {"v: fd00::1", "fd00::1"}}));
  CAPTURE(text);

  CHECK(converted(text)["v"].dump() == value.dump());  // tells 1 from 1.0 and "1"
}

TEST_CASE("yaml_to_json: quoted and tagged scalars stay strings", "[k8s_client]") {
  const std::string text =
      GENERATE("v: '80'", "v: \"80\"", "v: !!str 80", "v: |-\n  80", "v: >-\n  80");
  CAPTURE(text);

  CHECK(converted(text)["v"] == "80");
}

TEST_CASE("yaml_to_json: takes JSON, too", "[k8s_client]") {
  const std::string text =
      "{\n\t\"a\": [1, \"2\", null, true],\n\t\"b\":{\"c\":\"x\\u00e9\\/\\n\"}\n}\n";

  CHECK(converted(text) == json::parse(text));
}

TEST_CASE("yaml_to_json: anchors and aliases are followed", "[k8s_client]") {
  CHECK(converted("a: &x {b: 1}\nc: *x\n") == json::parse(R"({"a":{"b":1},"c":{"b":1}})"));
}

TEST_CASE("yaml_to_json: a duplicate key is told with its place", "[k8s_client]") {
  const auto problem = problem_of("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n");

  CHECK(problem.reason == "duplicate key 'c'");
  CHECK(problem.place == TextPlace{5, 3});
}

TEST_CASE("yaml_to_json: refuses merge keys and keys that are no strings", "[k8s_client]") {
  CHECK(problem_of("a: &x {b: 1}\nc:\n  <<: *x\n").reason == "merge keys are not supported");
  CHECK(problem_of("? [a]\n: 1\n").reason == "a key must be a string");
}

TEST_CASE("yaml_to_json: depth is bounded, also by an alias that holds itself", "[k8s_client]") {
  std::string deep;
  for (int i = 0; i < 100; ++i) {
    deep += "[";
  }
  deep += std::string(100, ']');

  CHECK(problem_of(deep).reason == "is nested too deeply");
  CHECK(problem_of("a: &x [*x]\n").reason == "is nested too deeply");
}

TEST_CASE("yaml_to_json: what aliases make of a short text is bounded", "[k8s_client]") {
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) {
      laughs += before + ",";
    }
    laughs += "]\n";
  }

  CHECK(problem_of(laughs).reason == "aliases make too much of this");
}

TEST_CASE("load_yaml: a syntax error is told with its place", "[k8s_client]") {
  const auto problem = problem_of("a: 1\nb: [1, 2\nc: 3\n");

  CHECK(problem.place.line == 3);
  CHECK_FALSE(problem.reason.empty());
}

TEST_CASE("place_of: finds fields, also below keys that hold dots, and the map around missing ones",
          "[k8s_client]") {
  const auto documents = load_yaml(
      "metadata:\n"
      "  name: x\n"
      "data:\n"
      "  nodeway.yaml: 7\n"
      "spec:\n"
      "  ports:\n"
      "  - name: a\n"
      "    port: 1\n"
      "  - name: b\n");
  const auto [field, place] =
      GENERATE(table<std::string, TextPlace>({{"metadata.name", {2, 9}},
                                              {"data.nodeway.yaml", {4, 17}},
                                              {"spec.ports[0].port", {8, 11}},
                                              {"spec.ports[1].port", {9, 5}},
                                              {"spec.ports[9].port", {7, 3}},
                                              {"nothing.at.all", {1, 1}},
                                              {"", {1, 1}}}));
  CAPTURE(field);

  const TextPlace found = place_of(documents->front(), field);

  CHECK(found.line == place.line);
  CHECK(found.column == place.column);
}
