// SPDX-License-Identifier: Apache-2.0
#include "router/cli/check_report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace router::cli;
using namespace router::control;
using nlohmann::json;

namespace {

std::vector<CheckGroup> mixed() {
  return {{.title = "API server", .checks = {passed("it answers"), skipped("version unknown")}},
          {.title = "permissions", .checks = {failed("may not list pods", "grant it")}}};
}

}  // namespace

TEST_CASE("format_checks: groups with marks, the hint below a failure, the verdict last", "[cli]") {
  CHECK(format_checks(mixed()) ==
        "API server\n"
        "  ✓ it answers\n"
        "  – version unknown\n"
        "\n"
        "permissions\n"
        "  × may not list pods\n"
        "      grant it\n"
        "\n"
        "× 1 failure\n");
  CHECK(format_checks({{.title = "a", .checks = {failed("b", ""), failed("c", "")}}}) ==
        "a\n  × b\n  × c\n\n× 2 failures\n");
  CHECK(format_checks({{.title = "a", .checks = {passed("b")}}}) == "a\n  ✓ b\n\n✓ all is well\n");
}

TEST_CASE("is_all_well: what could not be looked at is no failure", "[cli]") {
  CHECK(is_all_well({{.title = "a", .checks = {passed("b"), skipped("c")}}}));
  CHECK_FALSE(is_all_well(mixed()));
}

TEST_CASE("checks_as_json: the same for programs, whatever bytes are quoted", "[cli]") {
  std::vector<CheckGroup> groups = mixed();
  groups.front().checks.front().text = "\xff";

  const json report = json::parse(checks_as_json(groups));

  CHECK(report["ok"] == false);
  CHECK(report["groups"][0]["title"] == "API server");
  CHECK(report["groups"][0]["checks"][1]["status"] == "skipped");
  CHECK(report["groups"][1]["checks"][0] ==
        json{{"status", "failed"}, {"text", "may not list pods"}, {"hint", "grant it"}});
}
