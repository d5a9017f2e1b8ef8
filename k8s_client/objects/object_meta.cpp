// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/object_meta.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/write_object.hpp"

namespace k8s_client {

Result<ObjectMeta> ObjectMeta::from_json(const nlohmann::json& object) {
  std::optional<Failure> failure;
  JsonFields fields = JsonFields{object, "", failure}.object("metadata");
  ObjectMeta meta{.key = {.ns = fields.text("namespace"), .name = fields.required_text("name")},
                  .uid = fields.text("uid"),
                  .resource_version = fields.text("resourceVersion")};
  if (failure) {
    return *std::move(failure);
  }
  return meta;
}

nlohmann::json ObjectMeta::to_json() const {
  nlohmann::json metadata{{"name", key.name}};
  put_text(metadata, "namespace", key.ns);
  put_text(metadata, "uid", uid);
  put_text(metadata, "resourceVersion", resource_version);
  return metadata;
}

}  // namespace k8s_client
