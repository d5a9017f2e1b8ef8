// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/service.hpp"

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

/// Objects as the API server writes them, as far as `RandomObjects` makes them up.
namespace test {

inline std::string protocol_name(k8s_client::Protocol protocol) {
  return protocol == k8s_client::Protocol::udp ? "UDP" : "TCP";
}

inline nlohmann::json metadata_json(const k8s_client::ObjectMeta& meta) {
  return {{"namespace", meta.key.ns}, {"name", meta.key.name}, {"uid", meta.uid}};
}

inline nlohmann::json json_of(const k8s_client::Service& service) {
  nlohmann::json spec{{"ports", nlohmann::json::array()}};
  if (service.type == k8s_client::ServiceType::external_name) {
    spec["type"] = "ExternalName";
    spec["externalName"] = service.external_name;
  }
  if (service.headless) {
    spec["clusterIP"] = "None";
  }
  for (const k8s_client::IpFamily family : service.ip_families) {
    spec["ipFamilies"].push_back(family == k8s_client::IpFamily::ipv6 ? "IPv6" : "IPv4");
  }
  if (service.internal_traffic_policy == k8s_client::TrafficPolicy::local) {
    spec["internalTrafficPolicy"] = "Local";
  }
  for (const k8s_client::ServicePort& port : service.ports) {
    spec["ports"].push_back(
        {{"name", port.name}, {"port", port.port}, {"protocol", protocol_name(port.protocol)}});
  }
  return {{"metadata", metadata_json(service.meta)}, {"spec", std::move(spec)}};
}

inline nlohmann::json json_of(const k8s_client::SliceEndpoint& endpoint) {
  nlohmann::json json{{"addresses", endpoint.addresses},
                      {"targetRef", {{"kind", "Pod"}, {"name", endpoint.target_name}}}};
  const auto set = [&json](const char* name, const std::optional<bool>& condition) {
    if (condition) {
      json["conditions"][name] = *condition;
    }
  };
  set("ready", endpoint.conditions.ready);
  set("serving", endpoint.conditions.serving);
  set("terminating", endpoint.conditions.terminating);
  if (!endpoint.node_name.empty()) {
    json["nodeName"] = endpoint.node_name;
  }
  for (const std::string& node : endpoint.hint_nodes) {
    json["hints"]["forNodes"].push_back({{"name", node}});
  }
  for (const std::string& zone : endpoint.hint_zones) {
    json["hints"]["forZones"].push_back({{"name", zone}});
  }
  return json;
}

inline nlohmann::json json_of(const k8s_client::EndpointSlice& slice) {
  using k8s_client::AddressType;
  nlohmann::json json{{"metadata", metadata_json(slice.meta)},
                      {"addressType",
                       slice.address_type == AddressType::ipv4   ? "IPv4"
                       : slice.address_type == AddressType::ipv6 ? "IPv6"
                                                                 : "FQDN"},
                      {"endpoints", nlohmann::json::array()},
                      {"ports", nlohmann::json::array()}};
  if (!slice.service_name.empty()) {
    json["metadata"]["labels"] = {{"kubernetes.io/service-name", slice.service_name}};
  }
  if (!slice.service_uid.empty()) {
    json["metadata"]["ownerReferences"] = {{{"kind", "Service"}, {"uid", slice.service_uid}}};
  }
  for (const k8s_client::SliceEndpoint& endpoint : slice.endpoints) {
    json["endpoints"].push_back(json_of(endpoint));
  }
  for (const k8s_client::SlicePort& port : slice.ports) {
    nlohmann::json& made = json["ports"].emplace_back();
    made = {{"name", port.name}, {"protocol", protocol_name(port.protocol)}};
    if (port.port) {
      made["port"] = *port.port;
    }
  }
  return json;
}

}  // namespace test
