// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"
#include "k8s_client/objects/config_map.hpp"

#include <string_view>

namespace router::control {

inline constexpr std::string_view kConfigMapName = "nodeway";
inline constexpr std::string_view kConfigMapKey = "nodeway.yaml";

/// The configuration document of ConfigMap `nodeway`, as long as that lives. The failure says why
/// there is none.
[[nodiscard]] k8s_client::Result<std::string_view> document_of(
    const k8s_client::ConfigMap& config_map);

}  // namespace router::control
