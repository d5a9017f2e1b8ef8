// SPDX-License-Identifier: Apache-2.0
#include "router/cli/router_check.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace router::cli;
using namespace router::control;
using nlohmann::json;

namespace {

using Status = Check::Status;

Check judge_watch(const json& fields = json::object()) {
  json watch = {{"resource", "services"},
                {"synced", true},
                {"last_error", ""},
                {"last_event_age_seconds", nullptr},
                {"last_bookmark_age_seconds", nullptr}};
  watch.update(fields);
  const auto checks = judge_watches(json{{"rows", json::array({watch})}}.dump());
  REQUIRE(checks.size() == 1);
  return checks.front();
}

}  // namespace

TEST_CASE("judge_watches: the age is that of the last sign of life", "[cli]") {
  const Check by_event =
      judge_watch({{"last_event_age_seconds", 3.25}, {"last_bookmark_age_seconds", 40}});
  const Check by_bookmark =
      judge_watch({{"last_event_age_seconds", 4000}, {"last_bookmark_age_seconds", 59.96}});
  const Check not_yet = judge_watch();

  CHECK(by_event == passed("services: fresh 3.2 s ago"));
  CHECK(by_bookmark == passed("services: fresh 60.0 s ago"));
  CHECK(not_yet == passed("services: seen whole"));
}

TEST_CASE("judge_watches: silent, broken and unread ones are failures with a hint", "[cli]") {
  const Check check =
      GENERATE(judge_watch({{"last_event_age_seconds", 4000}, {"last_bookmark_age_seconds", 181}}),
               judge_watch({{"last_error", "HTTP 403: forbidden"}, {"last_event_age_seconds", 1}}),
               judge_watch({{"synced", false}}));

  CAPTURE(check.text);
  CHECK(check.status == Status::failed);
  CHECK_FALSE(check.hint.empty());
}

TEST_CASE("judge_watches: a folder is as old as its last change", "[cli]") {
  CHECK(judge_watch({{"resource", "files"}, {"last_event_age_seconds", 90000}}) ==
        passed("files: seen whole"));
}

TEST_CASE("judge_config: tells what is in force, or what is wrong", "[cli]") {
  const json good = {{"origin", "ConfigMap a/nodeway"}, {"present", true}, {"valid", true}};
  const json none = {{"origin", "ConfigMap a/nodeway"}, {"present", false}, {"valid", true}};
  const json wrong = {
      {"origin", "ConfigMap a/nodeway"}, {"present", true}, {"valid", false}, {"error", "2:1: no"}};

  CHECK(judge_config(good.dump()) == passed("ConfigMap a/nodeway is in force"));
  CHECK(judge_config(none.dump()) == passed("the default configuration is in force"));
  CHECK(judge_config(wrong.dump()).status == Status::failed);
  CHECK(judge_config(wrong.dump()).text == "ConfigMap a/nodeway: 2:1: no");
}

TEST_CASE("judge_build: tells another version than this command's own", "[cli]") {
  const std::string metrics = "# TYPE x gauge\nnodeway_build_info{version=\"1.2.3\"} 1\n";

  CHECK(judge_build(metrics, "1.2.3") == passed("version 1.2.3"));
  CHECK(judge_build(metrics, "1.3.0") == passed("version 1.2.3; this command is of 1.3.0"));
}

TEST_CASE("router_check: what answers but is no router is told so", "[cli]") {
  const char* const body = GENERATE("",
                                    "<html>",
                                    "[]",
                                    R"({"rows": 1, "valid": "yes"})",
                                    R"({"rows": [1], "origin": 7, "error": []})",
                                    R"({"rows": [{"synced": 1, "resource": null}]})",
                                    "42");
  CAPTURE(body);

  CHECK(judge_watches(body).front().status == Status::failed);
  CHECK(judge_config(body).status == Status::failed);
  CHECK(judge_build(body, "1.2.3").status == Status::failed);
}

TEST_CASE("check_router: that none answers is a failure only if one was named", "[cli]") {
  const CheckGroup silent = check_router("http://127.0.0.1:1", false);
  const CheckGroup named = check_router("http://127.0.0.1:1", true);

  REQUIRE(silent.checks.size() == 1);
  CHECK(silent.checks.front().status == Status::skipped);
  REQUIRE(named.checks.size() == 1);
  CHECK(named.checks.front().status == Status::failed);
  CHECK_FALSE(named.checks.front().hint.empty());
}
