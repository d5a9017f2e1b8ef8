// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_map.hpp"

#include <fmt/format.h>

namespace router::control {

k8s_client::Result<std::string_view> document_of(const k8s_client::ConfigMap& config_map) {
  const auto text = config_map.data.find(std::string{kConfigMapKey});
  if (text == config_map.data.end()) {
    return k8s_client::Failure{k8s_client::Errc::missing_field,
                               fmt::format("it has no key {}", kConfigMapKey)};
  }
  return std::string_view{text->second};
}

}  // namespace router::control
