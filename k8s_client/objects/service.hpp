// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace k8s_client {

enum class ServiceType : std::uint8_t { cluster_ip, node_port, load_balancer, external_name };
enum class Protocol : std::uint8_t { tcp, udp, sctp };
enum class IpFamily : std::uint8_t { ipv4, ipv6 };
enum class TrafficPolicy : std::uint8_t { cluster, local };

/// `spec.trafficDistribution`: KEP-4444, KEP-3015. `PreferClose` is the old name of
/// `PreferSameZone`. A value that is not known is read as `any`, as kube-proxy does.
enum class TrafficDistribution : std::uint8_t { any, prefer_same_zone, prefer_same_node };

struct ServicePort {
  std::string name;  ///< "" if it is the only port
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  std::string
      target_port;  ///< number or name as text; "" if absent. Slices hold the resolved number
  std::string app_protocol;  ///< "" if absent

  bool operator==(const ServicePort&) const = default;
};

/// core/v1 Service, as far as routing needs it.
struct Service {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Service";

  ObjectMeta meta;
  ServiceType type = ServiceType::cluster_ip;
  std::vector<std::string> cluster_ips;  ///< first one primary; empty for headless and ExternalName
  bool headless = false;                 ///< `clusterIP: None`
  std::vector<IpFamily> ip_families;     ///< in the order of preference
  std::vector<ServicePort> ports;
  std::string external_name;  ///< only for `external_name`
  bool publish_not_ready_addresses = false;
  TrafficPolicy internal_traffic_policy = TrafficPolicy::cluster;
  TrafficDistribution traffic_distribution = TrafficDistribution::any;

  bool operator==(const Service&) const = default;

  /// Unknown fields are ignored. Missing `metadata.name` or `ports[].port`, and values of the wrong
  /// type are errors that name the field.
  [[nodiscard]] static Result<Service> from_json(const nlohmann::json& object);

  /// The object of the API that `from_json` makes the same of: its kind, and the fields that are
  /// kept.
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace k8s_client
