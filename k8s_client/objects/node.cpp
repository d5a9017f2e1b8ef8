// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/node.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/write_object.hpp"

namespace k8s_client {

namespace {

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

}  // namespace

Result<Node> Node::from_json(const nlohmann::json& object) {
  return read_object<Node>(object, [](JsonFields& fields, Node& node) {
    JsonFields labels = fields.object("metadata").object("labels");
    node.meta.key.ns.clear();
    node.zone = labels.text(kZoneLabel);
  });
}

nlohmann::json Node::to_json() const {
  nlohmann::json object = write_object(*this);
  if (!zone.empty()) {
    object["metadata"]["labels"][kZoneLabel] = zone;
  }
  return object;
}

}  // namespace k8s_client
