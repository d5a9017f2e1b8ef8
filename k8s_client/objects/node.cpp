// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/node.hpp"

#include "k8s_client/objects/json_fields.hpp"

namespace k8s_client {

Result<Node> Node::from_json(const nlohmann::json& object) {
  return read_object<Node>(object, [](JsonFields& fields, Node& node) {
    JsonFields labels = fields.object("metadata").object("labels");
    node.meta.key.ns.clear();
    node.zone = labels.text("topology.kubernetes.io/zone");
  });
}

}  // namespace k8s_client
