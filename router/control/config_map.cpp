// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_map.hpp"

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace router::control {

namespace {

std::string why_missing(const std::map<std::string, std::string>& data) {
  const std::string missing = fmt::format("it has no key {} in its data", kConfigMapKey);
  if (data.empty()) {
    // kubectl create configmap --from-file puts what is no UTF-8 there.
    return missing + ", which is empty; binaryData is not read: is the file UTF-8?";
  }
  std::vector<std::string_view> names;
  names.reserve(data.size());
  for (const auto& [name, text] : data) {
    names.emplace_back(name);
  }
  return fmt::format("{}, but {}", missing, fmt::join(names, ", "));
}

}  // namespace

k8s_client::Result<std::string_view> document_of(const k8s_client::ConfigMap& config_map) {
  const auto text = config_map.data.find(std::string{kConfigMapKey});
  if (text == config_map.data.end()) {
    return k8s_client::Failure{k8s_client::Errc::missing_field, why_missing(config_map.data)};
  }
  return std::string_view{text->second};
}

}  // namespace router::control
