// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/pod.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/write_object.hpp"

namespace k8s_client {
namespace {

/// Of a deletion: when it was asked for is not kept, only that it was.
constexpr const char* kSomeTime = "1970-01-01T00:00:00Z";

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

nlohmann::json Pod::to_json() const {
  using nlohmann::json;
  json object = write_object(*this);
  json& metadata = object["metadata"];
  if (!workload_kind.empty() || !workload_name.empty()) {
    metadata["ownerReferences"] =
        json::array({{{"kind", workload_kind}, {"name", workload_name}, {"controller", true}}});
  }
  if (is_terminating) {
    metadata["deletionTimestamp"] = kSomeTime;
  }
  json& spec = object["spec"] = json::object();
  put_text(spec, "nodeName", node_name);
  put_text(spec, "serviceAccountName", service_account);
  if (host_network) {
    spec["hostNetwork"] = true;
  }
  json& status = object["status"] = {{"phase", is_over ? "Succeeded" : "Running"}};
  for (const std::string& ip : ips) {
    status["podIPs"].push_back({{"ip", ip}});
  }
  return object;
}

}  // namespace k8s_client
