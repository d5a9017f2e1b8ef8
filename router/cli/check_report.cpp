// SPDX-License-Identifier: Apache-2.0
#include "router/cli/check_report.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {
namespace {

using control::Check;
using control::CheckGroup;

std::size_t count(const std::vector<CheckGroup>& groups, Check::Status status) {
  std::size_t total = 0;
  for (const CheckGroup& group : groups) {
    total += static_cast<std::size_t>(std::ranges::count(group.checks, status, &Check::status));
  }
  return total;
}

std::string_view mark_of(Check::Status status) {
  switch (status) {
    case Check::Status::passed:
      return "✓";
    case Check::Status::failed:
      return "×";
    case Check::Status::skipped:
      return "–";
  }
  return "";
}

std::string_view name_of(Check::Status status) {
  switch (status) {
    case Check::Status::passed:
      return "passed";
    case Check::Status::failed:
      return "failed";
    case Check::Status::skipped:
      return "skipped";
  }
  return "";
}

std::string verdict(const std::vector<CheckGroup>& groups) {
  const std::size_t n_failed = count(groups, Check::Status::failed);
  return n_failed == 0 ? "✓ all is well\n"
                       : fmt::format("× {} {}\n", n_failed, n_failed == 1 ? "failure" : "failures");
}

}  // namespace

bool is_all_well(const std::vector<CheckGroup>& groups) {
  return count(groups, Check::Status::failed) == 0;
}

std::string format_checks(const std::vector<CheckGroup>& groups) {
  std::string text;
  for (const CheckGroup& group : groups) {
    text += group.title + "\n";
    for (const Check& check : group.checks) {
      text += fmt::format("  {} {}\n", mark_of(check.status), check.text);
      text += check.hint.empty() ? "" : fmt::format("      {}\n", check.hint);
    }
    text += "\n";
  }
  return text + verdict(groups);
}

std::string checks_as_json(const std::vector<CheckGroup>& groups) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const CheckGroup& group : groups) {
    Json checks = Json::array();
    for (const Check& check : group.checks) {
      checks.push_back(
          {{"status", name_of(check.status)}, {"text", check.text}, {"hint", check.hint}});
    }
    rows.push_back({{"title", group.title}, {"checks", std::move(checks)}});
  }
  // What is quoted of a broken document may be no UTF-8.
  constexpr int kIndent = 2;
  return Json{{"ok", is_all_well(groups)}, {"groups", std::move(rows)}}.dump(
             kIndent, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace router::cli
