// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_map.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace router::control {

/// What nodeway must be allowed to do with one resource.
struct Permission {
  enum class Where : std::uint8_t { everywhere, own_namespace };

  std::string_view group;  ///< API group; "" is the core
  std::string_view resource;
  Where where;
  std::string_view name;                  ///< of the only object meant; "" for all of them
  std::array<std::string_view, 2> verbs;  ///< "" for no second one
};

/// All that it needs; `manifests/rbac.yaml` grants it. RBAC knows no field selectors, so nodes and
/// pods are asked for in the whole cluster though only those of the own node are read.
inline constexpr std::array kPermissions{
    Permission{"", "services", Permission::Where::everywhere, "", {"list", "watch"}},
    Permission{
        "discovery.k8s.io", "endpointslices", Permission::Where::everywhere, "", {"list", "watch"}},
    Permission{"", "nodes", Permission::Where::everywhere, "", {"list", "watch"}},
    Permission{"", "pods", Permission::Where::everywhere, "", {"list", "watch"}},
    Permission{
        "", "configmaps", Permission::Where::own_namespace, kConfigMapName, {"list", "watch"}},
    Permission{"", "events", Permission::Where::own_namespace, "", {"create", ""}},
};

}  // namespace router::control
