// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"
#include "k8s_client/objects/service.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace k8s_client {

enum class AddressType : std::uint8_t { ipv4, ipv6, fqdn };

/// The conditions as they were sent; what an absent one means is said by the functions.
/// Source: KEP-1672; the field comments of discovery.k8s.io/v1.
struct EndpointConditions {
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;

  [[nodiscard]] bool is_ready() const noexcept { return ready.value_or(true); }
  [[nodiscard]] bool is_serving() const noexcept { return serving.value_or(is_ready()); }
  [[nodiscard]] bool is_terminating() const noexcept { return terminating.value_or(false); }

  bool operator==(const EndpointConditions&) const = default;
};

/// What is not needed is not kept: a large cluster has some hundred thousand of these.
struct SliceEndpoint {
  std::string address;  ///< the first one, as kube-proxy takes it: the API says that all of them
                        ///< are of one pod, and interchangeable
  EndpointConditions conditions;
  std::string hostname;     ///< `pod-0` of a StatefulSet; "" if none
  std::string node_name;    ///< "" if unknown
  std::string zone;         ///< "" if unknown
  std::string target_name;  ///< name of the pod; "" if none
  std::vector<std::string> hint_zones;
  std::vector<std::string> hint_nodes;

  bool operator==(const SliceEndpoint&) const = default;
};

struct SlicePort {
  std::string name;  ///< of the Service's port; "" if it is the only one
  std::optional<std::uint16_t>
      port;  ///< of the pods; absent means "all ports", which routing cannot use
  Protocol protocol = Protocol::tcp;
  std::string app_protocol;  ///< "" if absent

  bool operator==(const SlicePort&) const = default;
};

/// discovery.k8s.io/v1 EndpointSlice, as far as routing needs it.
struct EndpointSlice {
  static constexpr std::string_view kApiVersion = "discovery.k8s.io/v1";
  static constexpr std::string_view kKind = "EndpointSlice";

  ObjectMeta meta;
  AddressType address_type = AddressType::ipv4;
  std::string service_name;  ///< label `kubernetes.io/service-name`, a Service of the same
                             ///< namespace; "" if none
  std::string service_uid;   ///< uid of the owning Service; "" if no Service owns it
  std::vector<SliceEndpoint> endpoints;
  std::vector<SlicePort> ports;

  bool operator==(const EndpointSlice&) const = default;

  /// Unknown fields are ignored. Missing `metadata.name`, `addressType` or `endpoints[].addresses`,
  /// and values of the wrong type are errors that name the field.
  [[nodiscard]] static Result<EndpointSlice> from_json(const nlohmann::json& object);

  /// The object of the API that `from_json` makes the same of: its kind, and the fields that are
  /// kept.
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace k8s_client
