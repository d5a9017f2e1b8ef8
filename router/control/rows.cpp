// SPDX-License-Identifier: Apache-2.0
#include "router/control/rows.hpp"

#include <algorithm>
#include <tuple>

namespace router::control {

std::vector<ServicePortRow> rows_of(const Snapshot& snapshot) {
  std::vector<const Service*> services;
  services.reserve(snapshot.services.size());
  for (const auto& [name, service] : snapshot.services) {
    services.push_back(service.get());
  }
  std::sort(services.begin(), services.end(), [](const Service* a, const Service* b) {
    return std::tie(a->namespace_, a->name) < std::tie(b->namespace_, b->name);
  });
  std::vector<ServicePortRow> rows;
  for (const Service* service : services) {
    for (const ServicePort& port : service->ports) {
      rows.push_back({.service_namespace = service->namespace_,
                      .service = service->name,
                      .port = port.number,
                      .ready = static_cast<std::uint32_t>(port.endpoints.size()),
                      .known = port.endpoints_known});
    }
  }
  return rows;
}

std::size_t count_services(const Snapshot& snapshot) {
  const auto& services = snapshot.services;
  return static_cast<std::size_t>(
      std::count_if(services.begin(), services.end(), [](const auto& entry) {
        return entry.second->external_name.empty() && !entry.second->ports.empty();
      }));
}

}  // namespace router::control
