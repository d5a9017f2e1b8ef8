// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/service.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/protocol.hpp"
#include "k8s_client/objects/write_object.hpp"

#include <charconv>

namespace k8s_client {
namespace {

using nlohmann::json;

ServiceType type_from(JsonFields& spec) {
  const std::string type = spec.text("type");
  if (type.empty() || type == "ClusterIP") {
    return ServiceType::cluster_ip;
  }
  if (type == "NodePort") {
    return ServiceType::node_port;
  }
  if (type == "LoadBalancer") {
    return ServiceType::load_balancer;
  }
  if (type != "ExternalName") {
    spec.fail(Errc::wrong_type, "type", "is no type of a Service");
  }
  return ServiceType::external_name;
}

/// `clusterIPs` came with dual stack; older objects and hand-written ones have `clusterIP` alone.
std::vector<std::string> cluster_ips_from(JsonFields& spec) {
  std::vector<std::string> ips = spec.texts("clusterIPs");
  std::string ip = spec.text("clusterIP");
  if (ips.empty() && !ip.empty()) {
    ips.push_back(std::move(ip));
  }
  return ips;
}

std::vector<IpFamily> ip_families_from(JsonFields& spec) {
  std::vector<IpFamily> families;
  for (const std::string& family : spec.texts("ipFamilies")) {
    if (family != "IPv4" && family != "IPv6") {
      spec.fail(Errc::wrong_type, "ipFamilies", "must be IPv4 or IPv6");
    }
    families.push_back(family == "IPv6" ? IpFamily::ipv6 : IpFamily::ipv4);
  }
  return families;
}

TrafficDistribution distribution_from(JsonFields& spec) {
  const std::string value = spec.text("trafficDistribution");
  if (value == "PreferSameNode") {
    return TrafficDistribution::prefer_same_node;
  }
  const bool is_zonal = value == "PreferClose" || value == "PreferSameZone";
  return is_zonal ? TrafficDistribution::prefer_same_zone : TrafficDistribution::any;
}

std::vector<ServicePort> ports_from(JsonFields& spec) {
  std::vector<ServicePort> ports;
  spec.for_each("ports", [&ports](JsonFields port) {
    const std::optional<std::uint16_t> number = port.port("port");
    if (!number) {
      port.fail(Errc::missing_field, "port", "is required");
    }
    ports.push_back({.name = port.text("name"),
                     .port = number.value_or(0),
                     .protocol = protocol_from(port),
                     .target_port = port.number_or_text("targetPort"),
                     .app_protocol = port.text("appProtocol")});
  });
  return ports;
}

const char* text_of(ServiceType type) noexcept {
  switch (type) {
    case ServiceType::node_port:
      return "NodePort";
    case ServiceType::load_balancer:
      return "LoadBalancer";
    case ServiceType::external_name:
      return "ExternalName";
    case ServiceType::cluster_ip:
      break;
  }
  return "ClusterIP";
}

/// "" for one that is absent, as `any` is.
const char* text_of(TrafficDistribution distribution) noexcept {
  switch (distribution) {
    case TrafficDistribution::prefer_same_zone:
      return "PreferSameZone";
    case TrafficDistribution::prefer_same_node:
      return "PreferSameNode";
    case TrafficDistribution::any:
      break;
  }
  return "";
}

/// A number stays one: `IntOrString` takes a text of digits for a name, which the API refuses.
json target_port_json(const std::string& port) {
  std::uint16_t number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  return std::to_string(number) == port ? json(number) : json(port);
}

json port_json(const ServicePort& port) {
  json object{{"name", port.name}, {"port", port.port}, {"protocol", text_of(port.protocol)}};
  if (!port.target_port.empty()) {
    object["targetPort"] = target_port_json(port.target_port);
  }
  put_text(object, "appProtocol", port.app_protocol);
  return object;
}

}  // namespace

Result<Service> Service::from_json(const nlohmann::json& object) {
  return read_object<Service>(object, [](JsonFields& fields, Service& service) {
    JsonFields spec = fields.object("spec");
    service.type = type_from(spec);
    service.cluster_ips = cluster_ips_from(spec);
    service.ip_families = ip_families_from(spec);
    service.ports = ports_from(spec);
    service.external_name = spec.text("externalName");
    service.publish_not_ready_addresses = spec.flag("publishNotReadyAddresses").value_or(false);
    service.internal_traffic_policy = spec.text("internalTrafficPolicy") == "Local"
                                          ? TrafficPolicy::local
                                          : TrafficPolicy::cluster;
    service.traffic_distribution = distribution_from(spec);
    if (!service.cluster_ips.empty() && service.cluster_ips.front() == "None") {
      service.headless = true;
      service.cluster_ips.clear();
    }
  });
}

json Service::to_json() const {
  json object = write_object(*this);
  json& spec = object["spec"] = {{"type", text_of(type)}};
  if (headless) {
    spec["clusterIPs"] = json::array({"None"});
  } else if (!cluster_ips.empty()) {
    spec["clusterIPs"] = cluster_ips;
  }
  for (const IpFamily family : ip_families) {
    spec["ipFamilies"].push_back(family == IpFamily::ipv6 ? "IPv6" : "IPv4");
  }
  json& port_list = spec["ports"] = json::array();
  for (const ServicePort& port : ports) {
    port_list.push_back(port_json(port));
  }
  put_text(spec, "externalName", external_name);
  if (publish_not_ready_addresses) {
    spec["publishNotReadyAddresses"] = true;
  }
  if (internal_traffic_policy == TrafficPolicy::local) {
    spec["internalTrafficPolicy"] = "Local";
  }
  put_text(spec, "trafficDistribution", text_of(traffic_distribution));
  return object;
}

}  // namespace k8s_client
