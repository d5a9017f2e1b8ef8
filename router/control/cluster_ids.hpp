// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/object_meta.hpp"
#include "router/cluster/cluster_id.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace router::control {

/// Gives out the ids of Service ports.
class ClusterIds {
 public:
  ClusterIds() = default;
  ClusterIds(const ClusterIds&) = delete;  // `names_` points into it
  ClusterIds& operator=(const ClusterIds&) = delete;
  ClusterIds(ClusterIds&&) = default;
  ClusterIds& operator=(ClusterIds&&) = default;
  ~ClusterIds() = default;

  /// The id of that port, now and for ever.
  [[nodiscard]] ClusterId of(const k8s_client::ObjectKey& service, std::uint16_t port);
  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  /// Whether `a` goes first by namespace, name of the Service, and number of the port.
  [[nodiscard]] bool is_before(ClusterId a, ClusterId b) const { return *names_[a] < *names_[b]; }

 private:
  using Name = std::tuple<std::string, std::string, std::uint16_t>;

  std::map<Name, ClusterId> ids_;
  std::vector<const Name*> names_;  ///< by id
};

}  // namespace router::control
