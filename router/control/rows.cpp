// SPDX-License-Identifier: Apache-2.0
#include "router/control/rows.hpp"

#include <algorithm>
#include <tuple>

namespace router::control {

std::vector<ServicePortRow> rows_of(const Snapshot& snapshot) {
  std::vector<const Service*> services;
  services.reserve(snapshot.services.size());
  snapshot.services.for_each([&](const Service& service) { services.push_back(&service); });
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
  std::size_t count = 0;
  snapshot.services.for_each([&count](const Service& service) {
    count += service.external_name.empty() && !service.ports.empty() ? 1 : 0;
  });
  return count;
}

}  // namespace router::control
