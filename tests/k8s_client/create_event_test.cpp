// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/create_event.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;

namespace {

EventNote note(std::string message) {
  return {.about = {.key = {.ns = "nodeway-system", .name = "nodeway"},
                    .uid = "u",
                    .resource_version = "7"},
          .reason = "InvalidConfiguration",
          .message = std::move(message),
          .reporter = "node-a"};
}

}  // namespace

TEST_CASE("event_object: says what, about which object, who and when", "[k8s_client]") {
  const nlohmann::json event = event_object(note("line 3"), Clock::UtcTime{} + 86400s + 1s);

  CHECK(event["metadata"]["namespace"] == "nodeway-system");
  CHECK(event["metadata"]["generateName"] == "nodeway.");
  CHECK(event["involvedObject"]["kind"] == "ConfigMap");
  CHECK(event["involvedObject"]["uid"] == "u");
  CHECK(event["type"] == "Warning");
  CHECK(event["reason"] == "InvalidConfiguration");
  CHECK(event["message"] == "line 3");
  CHECK(event["source"]["host"] == "node-a");
  CHECK(event["firstTimestamp"] == "1970-01-02T00:00:01Z");
}

TEST_CASE("event_object: a message is cut at 1,024 bytes, not within a character", "[k8s_client]") {
  const nlohmann::json whole = event_object(note(std::string(1024, 'x')), {});
  const nlohmann::json cut = event_object(note(std::string(1023, 'x') + "é and more"), {});

  CHECK(whole["message"].get<std::string>().size() == 1024);
  CHECK(cut["message"] == std::string(1023, 'x'));
}
