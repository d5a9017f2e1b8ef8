// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/node.hpp"

#include "k8s_client/objects/json_fields.hpp"

namespace k8s_client {

Result<Node> Node::from_json(const nlohmann::json& object) {
  Result<ObjectMeta> meta = ObjectMeta::from_json(object);
  if (!meta) {
    return meta.error();
  }
  std::optional<Failure> failure;
  JsonFields labels = JsonFields{object, "", failure}.object("metadata").object("labels");
  Node node{.meta = *std::move(meta), .zone = labels.text("topology.kubernetes.io/zone")};
  node.meta.key.ns.clear();
  if (failure) {
    return *std::move(failure);
  }
  return node;
}

}  // namespace k8s_client
