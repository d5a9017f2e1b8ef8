// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/router/control/kube_objects.hpp"
#include "tests/support/chance.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace test {

inline const std::string kHere = "node-1";

/// Makes up Services and slices, out of so few names that they collide in every way.
class RandomObjects {
 public:
  using ObjectKey = k8s_client::ObjectKey;
  using AddressType = k8s_client::AddressType;

  /// What the endpoints of one slice, or of all slices of a Service, have in common.
  struct Lean {
    bool hints_nodes = false;  ///< but for a few that lack hints nevertheless
    bool hints_zones = false;  ///< likewise
    bool has_no_ready = false;
    int hosts = 4;
  };

  explicit RandomObjects(Chance& chance) : chance_{chance} {}

  ObjectKey service_key() { return {chance_.any(kNamespaces), chance_.any(kServices)}; }
  ObjectKey slice_key() { return {chance_.any(kNamespaces), chance_.any(kSlices)}; }
  std::string zone() { return chance_.any(kZones); }

  k8s_client::Service service(const ObjectKey& key) {
    k8s_client::Service result;
    result.meta.key = key;
    result.meta.uid = chance_.any(kUids);  // another uid: deleted and made again, unseen
    if (chance_.one_in(10)) {
      result.type = k8s_client::ServiceType::external_name;
      result.external_name = "api.example.com";
    }
    if (chance_.one_in(2)) {
      result.ip_families = {chance_.one_in(2) ? k8s_client::IpFamily::ipv6
                                              : k8s_client::IpFamily::ipv4};
    }
    if (chance_.one_in(4)) {
      result.internal_traffic_policy = k8s_client::TrafficPolicy::local;
    }
    result.headless = chance_.one_in(5);
    std::uint16_t number = 80;
    for (const std::string& name : kPortNames) {
      if (!chance_.one_in(3)) {
        result.ports.push_back(service_port(number++, name));
        result.ports.back().protocol = protocol();
      }
    }
    return result;
  }

  /// Of any Service of its namespace, or of none.
  k8s_client::EndpointSlice slice(const ObjectKey& key) {
    const Lean lean{.hints_nodes = chance_.one_in(3), .hints_zones = chance_.one_in(2)};
    k8s_client::EndpointSlice result = slice(key, lean);
    result.service_name = chance_.one_in(10) ? "" : chance_.any(kServices);
    result.service_uid = chance_.one_in(3) ? "" : chance_.any(kUids);
    return result;
  }

  /// Of no Service yet.
  k8s_client::EndpointSlice slice(const ObjectKey& key, const Lean& lean) {
    k8s_client::EndpointSlice result;
    result.meta.key = key;
    const int type = chance_.below(10);
    result.address_type = type < 6   ? AddressType::ipv4
                          : type < 9 ? AddressType::ipv6
                                     : AddressType::fqdn;
    for (const std::string& name : kPortNames) {
      if (!chance_.one_in(4)) {
        const auto number = static_cast<std::uint16_t>(8080 + chance_.below(2));
        result.ports.push_back(slice_port(number, name));
        result.ports.back().protocol = protocol();
        if (chance_.one_in(12)) {
          result.ports.back().port.reset();
        }
      }
    }
    for (int i = chance_.below(lean.hosts + 1); i > 0; --i) {
      result.endpoints.push_back(slice_endpoint(result.address_type, lean));
    }
    return result;
  }

 private:
  static inline const std::array<std::string, 2> kNamespaces{"shop", "ml"};
  static inline const std::array<std::string, 3> kServices{"cart", "till", "predict"};
  static inline const std::array<std::string, 5> kSlices{"s1", "s2", "s3", "s4", "s5"};
  static inline const std::array<std::string, 3> kPortNames{"", "grpc", "http"};
  static inline const std::array<std::string, 2> kUids{"uid-1", "uid-2"};
  static inline const std::array<std::string, 3> kNodes{"", kHere, "node-2"};
  static inline const std::array<std::string, 3> kZones{"", "zone-a", "zone-b"};

  k8s_client::Protocol protocol() {
    return chance_.one_in(6) ? k8s_client::Protocol::udp : k8s_client::Protocol::tcp;
  }

  std::optional<bool> condition() {
    const int value = chance_.below(3);
    return value == 2 ? std::nullopt : std::optional{value == 1};
  }

  std::string address(AddressType type, int hosts) {
    if (type == AddressType::fqdn || chance_.one_in(20)) {
      return "host.example";
    }
    const bool is_v4 = (type == AddressType::ipv4) != chance_.one_in(30);  // seldom the other's
    const int host = 1 + chance_.below(hosts);
    return is_v4 ? fmt::format("10.0.0.{}", host) : fmt::format("fd00::{}", host);
  }

  k8s_client::SliceEndpoint slice_endpoint(AddressType type, const Lean& lean) {
    k8s_client::SliceEndpoint result = endpoint(address(type, lean.hosts));
    result.conditions = {.ready = condition(), .serving = condition(), .terminating = condition()};
    if (lean.has_no_ready) {
      result.conditions.ready = false;
    }
    result.target_name = fmt::format("pod-{}", chance_.below(9));
    result.node_name = chance_.any(kNodes);
    if (lean.hints_nodes && !chance_.one_in(20)) {
      result.hint_nodes = {chance_.one_in(2) ? kHere : "node-2"};
    }
    if (lean.hints_zones && !chance_.one_in(20)) {
      result.hint_zones = {chance_.one_in(2) ? "zone-a" : "zone-b"};
      if (chance_.one_in(3)) {
        result.hint_zones.emplace_back("zone-c");
      }
    }
    return result;
  }

  Chance& chance_;
};

}  // namespace test
