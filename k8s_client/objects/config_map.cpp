// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/config_map.hpp"

#include "k8s_client/objects/json_fields.hpp"

namespace k8s_client {

Result<ConfigMap> ConfigMap::from_json(const nlohmann::json& object) {
  Result<ObjectMeta> meta = ObjectMeta::from_json(object);
  if (!meta) {
    return meta.error();
  }
  std::optional<Failure> failure;
  ConfigMap config_map{.meta = *std::move(meta),
                       .data = JsonFields{object, "", failure}.text_map("data")};
  if (failure) {
    return *std::move(failure);
  }
  return config_map;
}

}  // namespace k8s_client
