// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"

#include <map>
#include <string>
#include <string_view>

namespace k8s_client {

/// core/v1 ConfigMap. `binaryData` is not text and is left out.
struct ConfigMap {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "ConfigMap";

  ObjectMeta meta;
  std::map<std::string, std::string> data;

  bool operator==(const ConfigMap&) const = default;

  [[nodiscard]] static Result<ConfigMap> from_json(const nlohmann::json& object);

  /// The object of the API that `from_json` makes the same of: its kind, and the fields that are
  /// kept.
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace k8s_client
