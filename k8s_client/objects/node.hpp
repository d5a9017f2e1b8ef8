// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"

#include <string>
#include <string_view>

namespace k8s_client {

/// core/v1 Node, as far as routing needs it. Cluster-scoped: the key's `ns` is empty.
struct Node {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Node";

  ObjectMeta meta;
  std::string zone;  ///< label `topology.kubernetes.io/zone`; "" if none

  bool operator==(const Node&) const = default;

  [[nodiscard]] static Result<Node> from_json(const nlohmann::json& object);

  /// The object of the API that `from_json` makes the same of: its kind, and the fields that are
  /// kept.
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace k8s_client
