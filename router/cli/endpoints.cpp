// SPDX-License-Identifier: Apache-2.0
#include "router/cli/endpoints.hpp"

#include "router/cli/table.hpp"
#include "router/cli/view.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {
namespace {

using admin::EndpointRow;
using admin::ViewRow;

std::vector<std::string> cells(const EndpointRow& row, bool is_wide) {
  std::vector<std::string> cells{row.service_namespace.empty() ? "-" : row.service_namespace,
                                 row.service,
                                 std::to_string(row.port),
                                 row.pod,
                                 row.address,
                                 row.state,
                                 std::to_string(row.requests),
                                 std::to_string(row.failures),
                                 std::to_string(row.in_flight),
                                 row.latency_ms ? fmt::format("{:.1f}ms", *row.latency_ms) : "-",
                                 row.age_seconds ? format_age(*row.age_seconds) : "-"};
  if (is_wide) {
    cells.push_back(std::to_string(row.connections));
    cells.push_back(row.weight ? fmt::format("{:.2f}", *row.weight) : "-");
    cells.push_back(row.ejected_for.empty() ? "-" : row.ejected_for);
  }
  return cells;
}

std::string format_nothing(const ViewFlags& flags, const std::string& service) {
  const std::string wanted = flags.wanted_namespace();
  const std::string of = service.empty() ? "" : " of " + service;
  return wanted.empty()
             ? fmt::format("No endpoints{}.\n", of)
             : fmt::format("No endpoints{} in namespace {}; -A shows all.\n", of, wanted);
}

std::variant<std::string, NoAnswer> draw(const ViewFlags& flags, const std::string& service) {
  auto answer = ask_admin(flags.admin,
                          "/api/v1/endpoints",
                          {{"namespace", flags.wanted_namespace()}, {"service", service}});
  if (std::holds_alternative<NoAnswer>(answer) || flags.format() == OutputFormat::json) {
    return answer;
  }
  try {
    const auto read = nlohmann::json::parse(std::get<std::string>(answer));
    const auto rows = read.at("rows").get<std::vector<EndpointRow>>();
    const nlohmann::json& age = read.at("saved_view_age_seconds");
    const std::string view =
        "\n" + format_saved_view(age.is_null() ? std::nullopt : std::optional{age.get<double>()}) +
        format_view(read.at("view").get<std::vector<ViewRow>>());
    if (rows.empty()) {
      return format_nothing(flags, service) + view;
    }
    return format_endpoints(rows, flags.format() == OutputFormat::wide) +
           format_left_out(read.at("left_out").get<std::size_t>()) + view;
  } catch (const nlohmann::json::exception& wrong) {
    return NoAnswer{fmt::format("{} speaks another version: {}", flags.admin, wrong.what())};
  }
}

}  // namespace

std::string format_age(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(seconds, 0.0));
  const std::int64_t minutes = s / 60;
  const std::int64_t hours = minutes / 60;
  const auto two = [](std::int64_t first, char unit, std::int64_t rest, char rest_unit) {
    return rest > 0 ? fmt::format("{}{}{}{}", first, unit, rest, rest_unit)
                    : fmt::format("{}{}", first, unit);
  };
  if (s < 120) {
    return fmt::format("{}s", s);
  }
  if (minutes < 10) {
    return two(minutes, 'm', s % 60, 's');
  }
  if (hours < 3) {
    return fmt::format("{}m", minutes);
  }
  if (hours < 8) {
    return two(hours, 'h', minutes % 60, 'm');
  }
  if (hours < 48) {
    return fmt::format("{}h", hours);
  }
  return hours < 192 ? two(hours / 24, 'd', hours % 24, 'h') : fmt::format("{}d", hours / 24);
}

std::string format_endpoints(const std::vector<EndpointRow>& rows, bool is_wide) {
  std::vector<Column> columns{{"NAMESPACE", Align::left},
                              {"SERVICE", Align::left},
                              {"PORT", Align::right},
                              {"POD", Align::left},
                              {"ADDRESS", Align::left},
                              {"STATE", Align::left},
                              {"REQUESTS", Align::right},
                              {"FAILURES", Align::right},
                              {"IN_FLIGHT", Align::right},
                              {"LATENCY", Align::right},
                              {"AGE", Align::right}};
  if (is_wide) {
    columns.push_back({"CONNECTIONS", Align::right});
    columns.push_back({"WEIGHT", Align::right});
    columns.push_back({"EJECTED_FOR", Align::left});
  }
  std::vector<std::vector<std::string>> table;
  table.reserve(rows.size());
  for (const EndpointRow& row : rows) {
    table.push_back(cells(row, is_wide));
  }
  return format_table(columns, table);
}

std::string format_left_out(std::size_t n_endpoints) {
  return n_endpoints == 0
             ? ""
             : fmt::format("{} more are unused; name a namespace or a Service to see them.\n",
                           n_endpoints);
}

std::string format_view(const std::vector<ViewRow>& view) {
  std::string fresh;
  std::string stale;
  for (const ViewRow& row : view) {
    std::string text = row.resource;
    if (row.last_contact_age_seconds) {
      text += fmt::format(" heard of {} ago", format_age(*row.last_contact_age_seconds));
    }
    if (row.fresh) {
      fresh += (fresh.empty() ? "" : ", ") + text;
      continue;
    }
    stale += fmt::format("Perhaps stale: {}{}{}\n",
                         text,
                         row.watching ? "" : ", no watch open",
                         row.last_error.empty() ? "" : ": " + row.last_error);
  }
  return (fresh.empty() ? "" : "Fresh: " + fresh + "\n") + stale;
}

std::string format_saved_view(std::optional<double> age_seconds) {
  return age_seconds ? fmt::format(
                           "A saved view is served, {} old, until the cluster has been "
                           "seen whole\n",
                           format_age(*age_seconds))
                     : "";
}

void add_endpoints_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("endpoints", "Endpoints of Services, as this node's router sees them");
  // Shared by the parser, which fills them, and by the action, which comes after.
  auto flags = std::make_shared<ViewFlags>();
  auto service = std::make_shared<std::string>();
  command->add_option("SERVICE", *service, "Name of a Service; without, all of the namespace");
  add_view_flags(*command, *flags);
  command->callback([&action, flags, service] {
    action = [flags, service] {
      return show(
          *flags, [&] { return draw(*flags, *service); }, "This node only.");
    };
  });
}

}  // namespace router::cli
