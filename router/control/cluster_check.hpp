// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/check.hpp"

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace router::control {

/// Which cluster, and as whom.
struct ClusterAccess {
  std::filesystem::path kubeconfig;  ///< "" for that of the pod we are in
  std::string config_namespace;      ///< of ConfigMap `nodeway`
};

/// Looks at what a router would find at the API server: whether it answers, its version, what it
/// allows, the ConfigMap. Changes nothing there. Blocks, for a minute at most if the server is
/// slow. A text instead says why it is not known which cluster is meant.
[[nodiscard]] std::variant<std::vector<CheckGroup>, std::string> check_cluster(
    const ClusterAccess& access);

/// What the API server's `/version` says of it: whether it is new enough.
[[nodiscard]] Check judge_version(const nlohmann::json& version);

/// What the ConfigMap in a list of the API holds; `where` is its `namespace/name`.
[[nodiscard]] std::vector<Check> judge_config_map(const nlohmann::json& list,
                                                  const std::string& where);

}  // namespace router::control
