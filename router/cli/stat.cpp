// SPDX-License-Identifier: Apache-2.0
#include "router/cli/stat.hpp"

#include "router/cli/table.hpp"
#include "router/cli/view.hpp"
#include "router/control/duration.hpp"
#include "router/telemetry/window.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {
namespace {

using admin::Stat;
using admin::StatRow;

constexpr const char* kNothing = "-";  // there is nothing to tell: no request ended, no namespace

struct StatFlags {
  ViewFlags view;
  std::string window;
};

// Rounded down, so that one failure in a hundred thousand does not read as none.
std::string percent(std::optional<double> ratio) {
  // 0.57 * 10,000 is a little below 5,700 in binary; no ratio of counts is so near to the next
  // step.
  constexpr double kBinaryError = 1e-6;
  return ratio ? fmt::format("{:.2f}%", std::floor(*ratio * 10'000 + kBinaryError) / 100)
               : kNothing;
}

std::string latency(std::optional<double> ms, bool is_wide) {
  if (!ms) {
    return kNothing;
  }
  if (is_wide) {
    return fmt::format("{:.2f}ms", *ms);
  }
  return *ms < 1 ? fmt::format("{:.1f}ms", *ms) : fmt::format("{:.0f}ms", *ms);
}

std::string rate(const StatRow& row, double share) {
  return row.success_ratio ? fmt::format("{:.1f}rps", row.rps * share) : kNothing;
}

std::vector<std::string> cells(const StatRow& row, bool is_wide) {
  const bool is_service = !row.name.empty();
  std::vector<std::string> cells{
      row.service_namespace.empty() ? kNothing : row.service_namespace,
      is_service ? row.name : "(no service)",
      is_service ? fmt::format("{}/{}", row.endpoints_ready, row.endpoints_total) : kNothing,
      percent(row.success_ratio),
      rate(row, 1)};
  if (is_wide) {
    cells.push_back(rate(row, 1 - row.success_ratio.value_or(1)));
  }
  cells.push_back(latency(row.latency_p50_ms, is_wide));
  cells.push_back(latency(row.latency_p95_ms, is_wide));
  cells.push_back(latency(row.latency_p99_ms, is_wide));
  cells.push_back(std::to_string(row.tcp_conn));
  return cells;
}

std::variant<std::string, NoAnswer> draw(const StatFlags& flags) {
  auto answer = ask_admin(flags.view.admin,
                          "/api/v1/stat",
                          {{"window", flags.window}, {"namespace", flags.view.wanted_namespace()}});
  if (std::holds_alternative<NoAnswer>(answer) || flags.view.format() == OutputFormat::json) {
    return answer;
  }
  try {
    const auto stat = nlohmann::json::parse(std::get<std::string>(answer)).get<Stat>();
    if (stat.rows.empty()) {
      const std::string wanted = flags.view.wanted_namespace();
      return wanted.empty() ? "No Services.\n"
                            : fmt::format("No Services in namespace {}; -A shows all.\n", wanted);
    }
    return format_stat(stat.rows, flags.view.format() == OutputFormat::wide);
  } catch (const nlohmann::json::exception& wrong) {
    return NoAnswer{fmt::format("{} speaks another version: {}", flags.view.admin, wrong.what())};
  }
}

int stat(const StatFlags& flags) {
  using telemetry::TrafficWindow;
  const auto window = control::parse_duration(flags.window);
  if (!window || *window < TrafficWindow::kShortest || *window > TrafficWindow::kLongest) {
    std::cerr << fmt::format("nodeway stat: -t: '{}' is no duration from 10s to 10m\n",
                             flags.window);
    return 2;
  }
  return show(
      flags.view,
      [&flags] { return draw(flags); },
      fmt::format("This node only, last {}.", flags.window));
}

}  // namespace

std::string format_stat(const std::vector<StatRow>& rows, bool is_wide) {
  std::vector<Column> columns{{"NAMESPACE", Align::left},
                              {"NAME", Align::left},
                              {"ENDPOINTS", Align::left},
                              {"SUCCESS", Align::right},
                              {"RPS", Align::right}};
  if (is_wide) {
    columns.push_back({"FAILED", Align::right});
  }
  for (const std::string_view title : {"LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN"}) {
    columns.push_back({title, Align::right});
  }
  std::vector<std::vector<std::string>> table;
  table.reserve(rows.size());
  for (const StatRow& row : rows) {
    table.push_back(cells(row, is_wide));
  }
  return format_table(columns, table);
}

void add_stat_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("stat", "Success, rate and latency of Services, as this node saw them");
  // Shared by the parser, which fills it, and by the action, which comes after.
  auto flags = std::make_shared<StatFlags>();
  add_view_flags(*command, flags->view);
  command->add_option("-t,--time-window", flags->window, "How far back, from 10s to 10m")
      ->type_name("DURATION")
      ->default_val("1m");
  command->callback([&action, flags] { action = [flags] { return stat(*flags); }; });
}

}  // namespace router::cli
