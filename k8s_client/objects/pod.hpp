// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace k8s_client {

/// core/v1 Pod, as far as one that makes requests has to be known.
struct Pod {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Pod";

  ObjectMeta meta;
  std::string node_name;  ///< `spec.nodeName`; "" while it is not scheduled
  std::string service_account;
  std::string workload_kind;  ///< of its controller, `Deployment` rather than its ReplicaSet; "" if
                              ///< it has none
  std::string workload_name;
  std::vector<std::string> ips;  ///< `status.podIPs`, of each family one; empty until it has one
  bool host_network = false;     ///< `ips` are then the node's
  bool is_terminating = false;   ///< its deletion was asked for; it may run for its grace period
  bool is_over = false;          ///< Succeeded or Failed: nothing runs in it, and its IPs are free

  bool operator==(const Pod&) const = default;

  /// Unknown fields are ignored. Missing `metadata.name` and values of the wrong type are errors
  /// that name the field.
  [[nodiscard]] static Result<Pod> from_json(const nlohmann::json& object);

  /// The object of the API that `from_json` makes the same of: its kind, and the fields that are
  /// kept.
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace k8s_client
