// SPDX-License-Identifier: Apache-2.0
#include "router/control/cluster_ids.hpp"

namespace router::control {

ClusterId ClusterIds::of(const k8s_client::ObjectKey& service, std::uint16_t port) {
  const auto next = static_cast<ClusterId>(names_.size());
  const auto [place, is_new] = ids_.try_emplace({service.ns, service.name, port}, next);
  if (is_new) {
    names_.push_back(&place->first);
  }
  return place->second;
}

}  // namespace router::control
