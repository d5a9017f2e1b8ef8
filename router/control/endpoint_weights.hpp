// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>

namespace router::control {

/// By the name of a zone, a node, or an endpoint's host.
using WeightsByName = std::map<std::string, double, std::less<>>;

/// What can be configured, and what an endpoint may weigh by all of it: as for the weights that
/// endpoints report themselves (balancer::kLeastWeight), so that nobody starves and nobody is
/// buried.
inline constexpr double kLeastConfiguredWeight = 0.1;
inline constexpr double kMostConfiguredWeight = 10;

/// Of each of the three maps: weights are for what is unlike the others, and no list of the
/// cluster's nodes.
inline constexpr std::size_t kMaxWeights = 100;

/// What the configuration says of the weights of one Service port's endpoints. Borrows the maps;
/// null: nothing.
struct EndpointWeights {
  const WeightsByName* zones = nullptr;
  const WeightsByName* nodes = nullptr;
  const WeightsByName* hostnames = nullptr;

  /// Of an endpoint of that zone, node and hostname, each of which may be empty: the product of all
  /// weights that are meant for it, within the two bounds; 1 if none is.
  [[nodiscard]] double of(const std::string& zone,
                          const std::string& node,
                          const std::string& hostname) const;
};

}  // namespace router::control
