// SPDX-License-Identifier: Apache-2.0
#include "tests/k8s_client/objects/generated_objects.hpp"
#include "tests/k8s_client/result_text.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace k8s_client;
using nlohmann::json;

namespace {

template <class Object>
void check_round_trip(const Object& object) {
  const json written = object.to_json();
  CAPTURE(written.dump());

  const Result<Object> read = Object::from_json(json::parse(written.dump()));

  REQUIRE(read);
  CHECK(*read == object);
  CHECK(written.at("kind") == Object::kKind);
  CHECK(written.at("apiVersion") == Object::kApiVersion);
}

}  // namespace

TEST_CASE("to_json: from_json reads the same object, whatever its fields are",
          "[k8s_client][property]") {
  const auto seed = GENERATE(range(1U, 200U));
  CAPTURE(seed);
  test::ObjectGenerator generate{seed};

  check_round_trip(generate.service());
  check_round_trip(generate.slice());
  check_round_trip(generate.config_map());
  check_round_trip(generate.node());
  check_round_trip(generate.pod());
}

TEST_CASE("to_json: a port of pods stays the number or the name that the API knows",
          "[k8s_client]") {
  Service service;
  service.meta.key = {.ns = "shop", .name = "cart"};
  service.ports.resize(2);
  service.ports[0].target_port = "8080";
  service.ports[1].target_port = "web";

  const json ports = service.to_json().at("spec").at("ports");

  CHECK(ports[0].at("targetPort") == 8080);
  CHECK(ports[1].at("targetPort") == "web");
}
