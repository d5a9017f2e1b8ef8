// SPDX-License-Identifier: Apache-2.0
#include "router/cli/demo_report.hpp"

#include <cstddef>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {

namespace {

constexpr std::size_t kBarWidth = 20;

LoadFigures figures_of(const nlohmann::json& json) {
  LoadFigures figures{.calls = json.at("calls").get<std::uint64_t>(),
                      .expected = json.at("expected").get<std::uint64_t>(),
                      .failed = json.at("failed").get<std::uint64_t>(),
                      .p50_ms = json.at("p50_ms").get<double>(),
                      .p95_ms = json.at("p95_ms").get<double>(),
                      .p99_ms = json.at("p99_ms").get<double>(),
                      .errors = {},
                      .pods = {}};
  if (json.contains("pods")) {
    figures.errors = json.at("errors").get<std::map<std::string, std::uint64_t>>();
    figures.pods = json.at("pods").get<std::map<std::string, std::uint64_t>>();
  }
  return figures;
}

std::uint64_t replies_of(const LoadReport& load,
                         const std::string& service,
                         const std::string& pod) {
  const auto operation = load.operations.find(service);
  if (operation == load.operations.end()) {
    return 0;
  }
  const auto replies = operation->second.pods.find(pod);
  return replies == operation->second.pods.end() ? 0 : replies->second;
}

std::uint64_t replies_of(const LoadReport& load,
                         const std::string& service,
                         const std::vector<std::string>& pods) {
  std::uint64_t sum = 0;
  for (const std::string& pod : pods) {
    sum += replies_of(load, service, pod);
  }
  return sum;
}

/// "  600   590  ##########": replies over gRPC and over HTTP, and the share of both together.
std::string share_cell(const PhaseReport& phase,
                       const std::string& service,
                       const std::string& pod,
                       const std::vector<std::string>& pods) {
  const std::uint64_t grpc = replies_of(phase.grpc, service, pod);
  const std::uint64_t http = replies_of(phase.http, service, pod);
  const std::uint64_t all =
      replies_of(phase.grpc, service, pods) + replies_of(phase.http, service, pods);
  const std::size_t width = all == 0 ? 0 : ((grpc + http) * kBarWidth + all / 2) / all;
  return fmt::format("{:>6} {:>6}  {:<{}}", grpc, http, std::string(width, '#'), kBarWidth);
}

std::string latency_cells(const LoadFigures& figures) {
  return fmt::format("{:>8.1f} {:>8.1f} {:>8.1f}", figures.p50_ms, figures.p95_ms, figures.p99_ms);
}

std::string latency_row(std::string_view what,
                        std::string_view protocol,
                        const LoadFigures& straight,
                        const LoadFigures& through) {
  return fmt::format(
      "  {:<11} {:<5} {}   {}\n", what, protocol, latency_cells(straight), latency_cells(through));
}

LoadFigures operation_of(const LoadReport& load, const std::string& name) {
  const auto found = load.operations.find(name);
  return found == load.operations.end() ? LoadFigures{} : found->second;
}

void append_failures(std::string& to, std::string_view protocol, const LoadReport& load) {
  for (const auto& [name, figures] : load.operations) {
    if (figures.failed == 0) {
      continue;
    }
    for (const auto& [error, count] : figures.errors) {
      fmt::format_to(std::back_inserter(to), "  {} {}: {} x {}\n", protocol, name, count, error);
    }
  }
}

void append_unshared(std::vector<std::string>& to,
                     std::string_view protocol,
                     const LoadReport& load,
                     unsigned pods) {
  for (const auto& [service, figures] : load.operations) {
    const std::vector<std::string> names = pod_names(service, pods);
    const auto all = static_cast<double>(replies_of(load, service, names));
    for (const std::string& pod : names) {
      const std::uint64_t replies = replies_of(load, service, pod);
      if (all == 0 || static_cast<double>(replies) < kLeastShare * all / pods) {
        to.push_back(fmt::format("{} got {} of {} {} calls of {}, which {} pods should share",
                                 pod,
                                 replies,
                                 all,
                                 protocol,
                                 service,
                                 pods));
      }
    }
  }
}

}  // namespace

LoadReport parse_load_report(std::string_view line) {
  try {
    const nlohmann::json json = nlohmann::json::parse(line);
    LoadReport report{.all = figures_of(json), .operations = {}};
    for (const auto& [name, operation] : json.at("operations").items()) {
      report.operations.emplace(name, figures_of(operation));
    }
    return report;
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error{std::string{"not the report of a load: "} + error.what()};
  }
}

std::vector<std::string> pod_names(const std::string& service, unsigned count) {
  std::vector<std::string> names;
  names.reserve(count);
  for (unsigned i = 1; i <= count; ++i) {
    names.push_back(fmt::format("{}-{}", service, i));
  }
  return names;
}

std::string share_chart(const PhaseReport& straight, const PhaseReport& through, unsigned pods) {
  std::string chart = fmt::format("  {:<14} {:<{}}  {}\n  {:<14} {:>6} {:>6}  {:<{}} {:>6} {:>6}\n",
                                  "REPLIES BY POD",
                                  "straight",
                                  kBarWidth + 15,
                                  "through nodeway",
                                  "",
                                  "gRPC",
                                  "HTTP",
                                  "",
                                  kBarWidth,
                                  "gRPC",
                                  "HTTP");
  for (const auto& [service, figures] : through.grpc.operations) {
    const std::vector<std::string> names = pod_names(service, pods);
    for (const std::string& pod : names) {
      fmt::format_to(std::back_inserter(chart),
                     "  {:<14} {} {}\n",
                     pod,
                     share_cell(straight, service, pod, names),
                     share_cell(through, service, pod, names));
      chart.erase(chart.find_last_not_of(" \n") + 1);
      chart += '\n';
    }
  }
  return chart;
}

std::string latency_table(const PhaseReport& straight, const PhaseReport& through) {
  std::string table =
      fmt::format("  {:<17} {:<26}   {}\n  {:<17} {:>8} {:>8} {:>8}   {:>8} {:>8} {:>8}\n",
                  "LATENCY, ms",
                  "straight",
                  "through nodeway",
                  "",
                  "p50",
                  "p95",
                  "p99",
                  "p50",
                  "p95",
                  "p99");
  for (const std::string name : {"percentage", "all"}) {
    const bool is_all = name == "all";
    for (const auto& [protocol, load] :
         {std::pair{"gRPC", &PhaseReport::grpc}, std::pair{"REST", &PhaseReport::http}}) {
      const LoadReport& before = straight.*load;
      const LoadReport& after = through.*load;
      table += latency_row(name,
                           protocol,
                           is_all ? before.all : operation_of(before, name),
                           is_all ? after.all : operation_of(after, name));
    }
  }
  return table;
}

std::string failure_list(const PhaseReport& phase) {
  std::string list;
  append_failures(list, "gRPC", phase.grpc);
  append_failures(list, "HTTP", phase.http);
  return list;
}

std::vector<std::string> unshared(const PhaseReport& phase, unsigned pods) {
  std::vector<std::string> lines;
  append_unshared(lines, "gRPC", phase.grpc, pods);
  append_unshared(lines, "HTTP", phase.http, pods);
  return lines;
}

}  // namespace router::cli
