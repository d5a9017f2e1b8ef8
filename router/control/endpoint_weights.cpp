// SPDX-License-Identifier: Apache-2.0
#include "router/control/endpoint_weights.hpp"

#include <algorithm>

namespace router::control {
namespace {

double weight_in(const WeightsByName* weights, const std::string& name) {
  if (weights == nullptr) {
    return 1;
  }
  const auto found = weights->find(name);
  return found != weights->end() ? found->second : 1;
}

}  // namespace

double EndpointWeights::of(const std::string& zone,
                           const std::string& node,
                           const std::string& hostname) const {
  const double product =
      weight_in(zones, zone) * weight_in(nodes, node) * weight_in(hostnames, hostname);
  return std::clamp(product, kLeastConfiguredWeight, kMostConfiguredWeight);
}

}  // namespace router::control
