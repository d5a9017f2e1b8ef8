// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/cluster_ids.hpp"
#include "router/resolve/pod_ports.hpp"

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

namespace router::control {

/// Makes `PodPorts` of the endpoints of all Service ports. Pure: no I/O, no clock.
///
/// Keeps little beside what the last snapshot has, so that an endpoint costs one PodPort. A change
/// is a pass over the shards that it is about; that of an endpoint's conditions is none at all.
class PodPortTable {
 public:
  /// `cluster` has these from the next `build` on. Once between two of them for each cluster.
  void set(ClusterId cluster, std::span<const boost::asio::ip::tcp::endpoint> endpoints);

  /// What has become of that. The same object as before if nothing has changed.
  [[nodiscard]] boost::shared_ptr<const PodPorts> build(const ClusterIds& ids);

 private:
  using ShardSet = std::bitset<PodPorts::kShards>;

  /// What a Service port has.
  struct Held {
    ShardSet shards;  ///< that have any of it
    std::uint32_t n_ports = 0;
    bool is_replaced = false;  ///< at the next `build`
  };

  [[nodiscard]] bool is_built(const PodPort& port) const;
  [[nodiscard]] std::optional<PodPorts::Shard> changed(const PodPorts::Shard* before,
                                                       PodPorts::Shard& added,
                                                       const ClusterIds& ids) const;

  std::vector<Held> held_;  ///< by ClusterId
  std::vector<ClusterId> replaced_;
  ShardSet touched_;  ///< those that the next `build` has to look at
  std::vector<PodPort> added_;
  boost::shared_ptr<const PodPorts> built_ = boost::make_shared<const PodPorts>();
};

}  // namespace router::control
