// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/cluster_ids.hpp"
#include "router/resolve/pod_ports.hpp"

#include <optional>
#include <span>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

namespace router::control {

/// Makes `PodPorts` of the endpoints of all Service ports. Pure: no I/O, no clock.
///
/// Keeps nothing beside what the last snapshot has, so that an endpoint costs one PodPort. A change
/// is one pass over all of them instead: some 2 ms for 150,000, on the control thread.
class PodPortTable {
 public:
  /// What `cluster` had when `build` was called last counts no more.
  void forget(ClusterId cluster);
  /// `cluster`, which has nothing or is forgotten, has these.
  void add(ClusterId cluster, std::span<const boost::asio::ip::tcp::endpoint> endpoints);

  /// What has become of that. The same object as before if nothing has changed.
  [[nodiscard]] boost::shared_ptr<const PodPorts> build(const ClusterIds& ids);

 private:
  [[nodiscard]] std::optional<PodPorts::Shard> changed(const PodPorts::Shard* before,
                                                       PodPorts::Shard& added,
                                                       const ClusterIds& ids) const;

  std::vector<bool> is_forgotten_;  ///< by ClusterId; empty: none
  std::vector<PodPort> added_;
  boost::shared_ptr<const PodPorts> built_ = boost::make_shared<const PodPorts>();
};

}  // namespace router::control
