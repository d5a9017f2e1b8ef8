// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/service.hpp"

#include "k8s_client/objects/json_fields.hpp"
#include "k8s_client/objects/protocol.hpp"

namespace k8s_client {
namespace {

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

}  // namespace k8s_client
