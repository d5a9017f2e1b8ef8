// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/snapshot.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace router::control {

/// One Service port, for tables like `nodeway stat`.
struct ServicePortRow {
  std::string service_namespace;
  std::string service;
  std::uint16_t port = 0;
  std::uint32_t ready = 0;  ///< endpoints that get requests now
  std::uint32_t known = 0;  ///< endpoints in the slices

  bool operator==(const ServicePortRow&) const = default;
};

/// By namespace, name, then the Service's order of ports.
[[nodiscard]] std::vector<ServicePortRow> rows_of(const Snapshot& snapshot);

/// Services with at least one TCP port; external names, and Services that stand for them, are none.
[[nodiscard]] std::size_t count_services(const Snapshot& snapshot);

}  // namespace router::control
