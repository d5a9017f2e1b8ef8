// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/config_map.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/write_object.hpp"

namespace k8s_client {

Result<ConfigMap> ConfigMap::from_json(const nlohmann::json& object) {
  return read_object<ConfigMap>(object, [](JsonFields& fields, ConfigMap& config_map) {
    config_map.data = fields.text_map("data");
  });
}

nlohmann::json ConfigMap::to_json() const {
  nlohmann::json object = write_object(*this);
  object["data"] = data;
  return object;
}

}  // namespace k8s_client
