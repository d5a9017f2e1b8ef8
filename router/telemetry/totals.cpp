// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/totals.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace router::telemetry {
namespace {

void add_response(std::vector<ResponseCount>& all, const ResponseCell& cell) {
  const auto same = std::find_if(
      all.begin(), all.end(), [&cell](const ResponseCount& r) { return r.key == cell.key; });
  if (same == all.end()) {
    all.push_back({cell.key, cell.count.read()});
  } else {
    same->count += cell.count.read();
  }
}

void add_block(ServiceTotals& totals, const ServiceMetrics& block) {
  totals.requests += block.requests.read();
  totals.repicks += block.repicks.read();
  totals.retries += block.retries.read();
  totals.hedges += block.hedges.read();
  for (std::size_t i = 0; i < totals.retries_refused.size(); ++i) {
    totals.retries_refused[i] += block.retries_refused[i].read();
  }
  totals.streams_open += block.streams_open.read();
  totals.requests_queued += block.requests_queued.read();
  for (std::size_t i = 0; i < totals.upstream_connections.size(); ++i) {
    totals.upstream_connections[i] += block.upstream_connections[i].read();
  }
  for (std::size_t i = 0; i < totals.ejections.size(); ++i) {
    totals.ejections[i] += block.ejections[i].read();
  }
  totals.endpoints_ejected = std::max(totals.endpoints_ejected, block.endpoints_ejected.read());
  totals.panic_requests += block.panic_requests.read();
  totals.zone_spills += block.zone_spills.read();
  block.each_response(
      [&totals](const ResponseCell& cell) { add_response(totals.responses, cell); });
  totals.response_start += block.response_start.read();
  totals.duration += block.duration.read();
}

}  // namespace

std::uint64_t ServiceTotals::connected() const noexcept {
  return upstream_connections[static_cast<std::size_t>(UpstreamState::open)] +
         upstream_connections[static_cast<std::size_t>(UpstreamState::draining)] +
         upstream_connections[static_cast<std::size_t>(UpstreamState::tunnel)];
}

std::uint64_t ServiceTotals::ended() const noexcept {
  std::uint64_t sum = 0;
  for (const ResponseCount& response : responses) {
    sum += response.count;
  }
  return sum;
}

std::uint64_t ServiceTotals::succeeded() const noexcept {
  std::uint64_t sum = 0;
  for (const ResponseCount& response : responses) {
    sum += response.key.success ? response.count : 0;
  }
  return sum;
}

std::vector<ServiceTotals> sum_services(std::span<const CoreMetrics* const> cores) {
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, ServiceTotals> by_name;
  for (const CoreMetrics* core : cores) {
    core->each_service([&by_name](const ServiceMetrics& block) {
      if (block.service.empty() && block.requests.read() == 0) {
        return;  // each core makes this block beforehand; a series begins with its first use
      }
      ServiceTotals& totals = by_name[{block.service_namespace, block.service, block.port}];
      add_block(totals, block);
    });
  }
  std::vector<ServiceTotals> all;
  all.reserve(by_name.size());
  for (auto& [name, totals] : by_name) {
    std::tie(totals.service_namespace, totals.service, totals.port) = name;
    all.push_back(std::move(totals));
  }
  return all;
}

}  // namespace router::telemetry
