// SPDX-License-Identifier: Apache-2.0
#include "router/admin/views.hpp"

#include "router/control/control_plane.hpp"
#include "router/worker/core.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

namespace router::admin {
namespace {

using Name = std::pair<std::string, std::string>;
// Namespace, Service, port, address.
using EndpointName =
    std::tuple<std::string_view, std::string_view, std::uint16_t, std::string_view>;

std::optional<double> quantile_ms(const telemetry::HistogramCounts& counts, double q) {
  const auto found = counts.quantile(q);
  return found ? std::optional{std::chrono::duration<double, std::milli>{*found}.count()}
               : std::nullopt;
}

StatRow& row_of(std::map<Name, StatRow>& rows,
                const std::string& service_namespace,
                const std::string& name) {
  StatRow& row = rows[{service_namespace, name}];
  row.service_namespace = service_namespace;
  row.name = name;
  return row;
}

void fill_traffic(StatRow& row, const telemetry::WindowRow& traffic, double seconds) {
  const auto ended = static_cast<double>(traffic.ended);
  row.success_ratio = static_cast<double>(traffic.succeeded) / ended;
  row.rps = seconds > 0 ? ended / seconds : 0;
  row.latency_p50_ms = quantile_ms(traffic.duration, 0.50);
  row.latency_p95_ms = quantile_ms(traffic.duration, 0.95);
  row.latency_p99_ms = quantile_ms(traffic.duration, 0.99);
}

// From the best to the worst: what one worker can use is of use. "unused" is what none has.
constexpr std::array<std::string_view, 7> kStates{
    "ready", "spare", "connecting", "ejected", "unreachable", "unselected", "draining"};

std::size_t rank_of(std::string_view state) {
  return static_cast<std::size_t>(std::find(kStates.begin(), kStates.end(), state) -
                                  kStates.begin());
}

EndpointName name_of(const EndpointRow& row) {
  return {row.service_namespace, row.service, row.port, row.address};
}

/// Of an endpoint that no worker has looked at.
EndpointRow unused_row(const control::EndpointSince& known, double age_seconds) {
  EndpointRow row;
  row.service_namespace = known.service_namespace;
  row.service = known.service;
  row.port = known.port;
  row.address = known.address;
  row.pod = known.pod;
  row.state = "unused";
  row.age_seconds = age_seconds;
  return row;
}

/// Of what the workers have seen, by their requests.
struct Mean {
  double sum = 0;
  double weight = 0;

  /// One more than the requests, so that a figure counts although its first request is still under
  /// way.
  void add(double value, std::uint64_t requests) {
    sum += value * (static_cast<double>(requests) + 1);
    weight += static_cast<double>(requests) + 1;
  }
  [[nodiscard]] std::optional<double> value() const {
    return weight > 0 ? std::optional{sum / weight} : std::nullopt;
  }
};

struct EndpointSum {
  EndpointRow row;
  Mean latency_ms;
  Mean weight;
};

void add_view(EndpointSum& sum, const EndpointView& view) {
  EndpointRow& row = sum.row;
  row.service_namespace = view.service_namespace;
  row.service = view.service;
  row.port = view.port;
  row.address = view.address;
  row.pod = view.pod;
  if (row.state.empty() || rank_of(view.state) < rank_of(row.state)) {
    row.state = view.state;
  }
  row.requests += view.requests;
  row.failures += view.failures;
  row.in_flight += view.in_flight;
  row.connections += view.connections;
  if (view.latency) {
    sum.latency_ms.add(std::chrono::duration<double, std::milli>{*view.latency}.count(),
                       view.requests);
  }
  if (view.weight) {
    sum.weight.add(*view.weight, view.requests);
  }
  if (!view.ejected_for.empty()) {
    row.ejected_for = view.ejected_for;
  }
}

}  // namespace

Stat make_stat(const std::vector<control::ServicePortRow>& ports,
               const std::vector<telemetry::ServiceTotals>& totals,
               const telemetry::WindowView& window,
               std::string_view service_namespace) {
  std::map<Name, StatRow> rows;
  for (const control::ServicePortRow& port : ports) {
    StatRow& row = row_of(rows, port.service_namespace, port.service);
    row.endpoints_ready = std::max(row.endpoints_ready, port.ready);
    row.endpoints_total = std::max(row.endpoints_total, port.known);
  }
  Stat stat{.window_seconds = std::chrono::duration<double>{window.covered}.count(), .rows = {}};
  for (const telemetry::WindowRow& traffic : window.rows) {
    fill_traffic(
        row_of(rows, traffic.service_namespace, traffic.service), traffic, stat.window_seconds);
  }
  for (const telemetry::ServiceTotals& total : totals) {
    if (const auto row = rows.find({total.service_namespace, total.service}); row != rows.end()) {
      row->second.tcp_conn += total.connected();
    }
  }
  for (auto& [name, row] : rows) {
    if (service_namespace.empty() || name.first == service_namespace) {
      stat.rows.push_back(std::move(row));
    }
  }
  return stat;
}

std::vector<EndpointRow> sum_endpoints(const std::vector<EndpointView>& views,
                                       const control::EndpointFilter& filter) {
  std::map<EndpointName, EndpointSum> sums;
  for (const EndpointView& view : views) {
    if (filter.takes(view.service_namespace, view.service)) {
      add_view(sums[{view.service_namespace, view.service, view.port, view.address}], view);
    }
  }
  std::vector<EndpointRow> rows;
  rows.reserve(sums.size());
  for (auto& [name, sum] : sums) {
    sum.row.latency_ms = sum.latency_ms.value();
    sum.row.weight = sum.weight.value();
    rows.push_back(std::move(sum.row));
  }
  return rows;
}

EndpointList list_endpoints(
    std::vector<EndpointRow> used,
    const std::function<void(const std::function<void(const control::EndpointSince&)>& visit)>&
        show_known,
    std::chrono::steady_clock::time_point now) {
  std::map<EndpointName, EndpointRow*> used_by_name;
  for (EndpointRow& row : used) {
    used_by_name.emplace(name_of(row), &row);
  }
  std::vector<EndpointRow> unused;
  std::size_t left_out = 0;
  show_known([&](const control::EndpointSince& known) {
    const double age_seconds = std::chrono::duration<double>{now - known.first_seen}.count();
    const auto found =
        used_by_name.find({known.service_namespace, known.service, known.port, known.address});
    if (found != used_by_name.end()) {
      found->second->age_seconds = age_seconds;
    } else if (unused.size() < EndpointList::kMaxUnused) {
      unused.push_back(unused_row(known, age_seconds));
    } else {
      ++left_out;
    }
  });
  EndpointList list{.rows = std::move(used), .left_out = left_out};
  list.rows.insert(list.rows.end(),
                   std::make_move_iterator(unused.begin()),
                   std::make_move_iterator(unused.end()));
  std::sort(list.rows.begin(), list.rows.end(), [](const EndpointRow& a, const EndpointRow& b) {
    return name_of(a) < name_of(b);
  });
  return list;
}

}  // namespace router::admin
