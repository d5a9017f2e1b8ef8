// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/pod.hpp"

#include "k8s_client/objects/json_fields.hpp"

namespace k8s_client {
namespace {

std::vector<std::string> ips_from(JsonFields status) {
  std::vector<std::string> ips;
  status.for_each("podIPs", [&ips](JsonFields entry) { ips.push_back(entry.required_text("ip")); });
  if (ips.empty() && status.has("podIP")) {
    ips.push_back(status.text("podIP"));  // written by hand, or by something older than 1.16
  }
  return ips;
}

/// A Deployment names each of its ReplicaSets after itself and the hash that its pods are labelled
/// with, so that it can be told without a watch of ReplicaSets.
void take_workload(JsonFields metadata, Pod& pod) {
  metadata.for_each("ownerReferences", [&pod](JsonFields owner) {
    if (owner.flag("controller").value_or(false)) {
      pod.workload_kind = owner.text("kind");
      pod.workload_name = owner.text("name");
    }
  });
  const std::string suffix = "-" + metadata.object("labels").text("pod-template-hash");
  if (pod.workload_kind == "ReplicaSet" && suffix.size() > 1 &&
      pod.workload_name.ends_with(suffix)) {
    pod.workload_kind = "Deployment";
    pod.workload_name.resize(pod.workload_name.size() - suffix.size());
  }
}

}  // namespace

Result<Pod> Pod::from_json(const nlohmann::json& object) {
  return read_object<Pod>(object, [](JsonFields& fields, Pod& pod) {
    JsonFields metadata = fields.object("metadata");
    JsonFields spec = fields.object("spec");
    JsonFields status = fields.object("status");
    const std::string phase = status.text("phase");
    pod.node_name = spec.text("nodeName");
    pod.service_account = spec.text("serviceAccountName");
    pod.ips = ips_from(status);
    pod.host_network = spec.flag("hostNetwork").value_or(false);
    pod.is_terminating = metadata.has("deletionTimestamp");
    pod.is_over = phase == "Succeeded" || phase == "Failed";
    take_workload(metadata, pod);
  });
}

}  // namespace k8s_client
