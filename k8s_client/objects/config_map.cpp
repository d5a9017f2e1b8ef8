// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/config_map.hpp"

#include "k8s_client/objects/json_fields.hpp"

namespace k8s_client {

Result<ConfigMap> ConfigMap::from_json(const nlohmann::json& object) {
  return read_object<ConfigMap>(object, [](JsonFields& fields, ConfigMap& config_map) {
    config_map.data = fields.text_map("data");
  });
}

}  // namespace k8s_client
