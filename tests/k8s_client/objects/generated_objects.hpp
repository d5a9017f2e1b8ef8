// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/config_map.hpp"
#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/node.hpp"
#include "k8s_client/objects/pod.hpp"
#include "k8s_client/objects/service.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// Draws objects such as `from_json` makes them: each field set or not, with all its values. Those
/// of one kind have names of their own.
class ObjectGenerator {
 public:
  explicit ObjectGenerator(std::uint32_t seed) : rng_{seed} {}

  k8s_client::Service service() {
    using namespace k8s_client;
    Service service;
    service.meta = meta();
    service.type = ServiceType{one_of<std::uint8_t>({0, 1, 2, 3})};
    service.headless = flip();
    if (!service.headless) {
      service.cluster_ips = texts({"10.96.0.1", "fd00::1"});
    }
    for (std::size_t i = up_to(2); i > 0; --i) {
      service.ip_families.push_back(IpFamily{one_of<std::uint8_t>({0, 1})});
    }
    for (std::size_t i = up_to(3); i > 0; --i) {
      service.ports.push_back({.name = maybe("grpc"),
                               .port = port(),
                               .protocol = protocol(),
                               .target_port = one_of<std::string>({"", "8080", "web", "080"}),
                               .app_protocol = maybe("kubernetes.io/h2c")});
    }
    service.external_name = maybe("db.example.org");
    service.publish_not_ready_addresses = flip();
    service.internal_traffic_policy = TrafficPolicy{one_of<std::uint8_t>({0, 1})};
    service.traffic_distribution = TrafficDistribution{one_of<std::uint8_t>({0, 1, 2})};
    return service;
  }

  k8s_client::EndpointSlice slice() {
    using namespace k8s_client;
    EndpointSlice slice;
    slice.meta = meta();
    slice.address_type = AddressType{one_of<std::uint8_t>({0, 1, 2})};
    slice.service_name = maybe("cart");
    slice.service_uid = maybe("uid-of-cart");
    for (std::size_t i = up_to(4); i > 0; --i) {
      SliceEndpoint endpoint;
      endpoint.address = "10.0.0." + std::to_string(i);
      endpoint.conditions = {.ready = flag(), .serving = flag(), .terminating = flag()};
      endpoint.hostname = maybe("cart-0");
      endpoint.node_name = maybe("node-1");
      endpoint.zone = maybe("zone-a");
      endpoint.target_name = maybe("cart-7d9f");
      endpoint.hint_zones = texts({"zone-a", "zone-b"});
      endpoint.hint_nodes = texts({"node-1", "node-2"});
      slice.endpoints.push_back(std::move(endpoint));
    }
    for (std::size_t i = up_to(3); i > 0; --i) {
      slice.ports.push_back({.name = maybe("grpc"),
                             .port = flip() ? std::optional{port()} : std::nullopt,
                             .protocol = protocol(),
                             .app_protocol = maybe("grpc")});
    }
    return slice;
  }

  k8s_client::Pod pod() {
    k8s_client::Pod pod;
    pod.meta = meta();
    pod.node_name = maybe("node-1");
    pod.service_account = maybe("default");
    if (flip()) {
      pod.workload_kind = one_of<std::string>({"Deployment", "ReplicaSet", "StatefulSet"});
      pod.workload_name = "cart";
    }
    pod.ips = texts({"10.0.0.7", "fd00::7"});
    pod.host_network = flip();
    pod.is_terminating = flip();
    pod.is_over = flip();
    return pod;
  }

  k8s_client::Node node() {
    k8s_client::Node node{.meta = meta(), .zone = maybe("zone-a")};
    node.meta.key.ns.clear();
    return node;
  }

  k8s_client::ConfigMap config_map() {
    k8s_client::ConfigMap config_map{.meta = meta(), .data = {}};
    // What JSON and YAML escape differently, or not at all.
    for (const char* const text :
         {"", "version: 1\n", "\ttab \"quoted\" back\\slash \x01 \x7f", "äöü € 𝄞", "yes", "null"}) {
      if (flip()) {
        config_map.data["key-" + std::to_string(config_map.data.size())] = text;
      }
    }
    return config_map;
  }

 private:
  bool flip() { return up_to(1) == 1; }

  std::size_t up_to(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>{0, most}(rng_);
  }

  template <class T>
  T one_of(const std::vector<T>& values) {
    return values[up_to(values.size() - 1)];
  }

  std::string maybe(const char* text) { return flip() ? text : ""; }

  std::optional<bool> flag() { return one_of<std::optional<bool>>({std::nullopt, true, false}); }

  std::uint16_t port() { return one_of<std::uint16_t>({1, 80, 65535}); }

  k8s_client::Protocol protocol() { return k8s_client::Protocol{one_of<std::uint8_t>({0, 1, 2})}; }

  /// The first ones of these.
  std::vector<std::string> texts(std::vector<std::string> all) {
    all.resize(up_to(all.size()));
    return all;
  }

  k8s_client::ObjectMeta meta() {
    const std::string number = std::to_string(++n_objects_);
    return {.key = {.ns = "shop", .name = "object-" + number},
            .uid = maybe("uid"),
            .resource_version = number};
  }

  std::minstd_rand rng_;
  std::uint32_t n_objects_ = 0;
};

}  // namespace test
