// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster_id.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

namespace router {

/// A port of a pod, as a Service port has it in its slices, whatever they say of its conditions.
struct PodPort {
  using Address = boost::asio::ip::address_v6::bytes_type;

  Address address;       ///< an IPv4 one as IPv4-mapped
  std::uint16_t number;  ///< the pod's own, never the Service's
  ClusterId cluster;     ///< the Service port

  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const;
  friend bool operator==(const PodPort&, const PodPort&) = default;
};
static_assert(sizeof(PodPort) == 24, "each endpoint of the cluster costs one for each Service");

/// The form in which a PodPort has it.
[[nodiscard]] PodPort::Address pod_address(const boost::asio::ip::address& address) noexcept;

/// The ports that the slices of all Services have, by address. Immutable, part of a snapshot.
///
/// In shards, which the snapshots share: a change copies those of the pods that it is about, so
/// that a long request which keeps an old snapshot does not keep a copy of it all.
struct PodPorts {
  /// By address, then by number; of several Service ports with the same, the first by namespace,
  /// name and port is first.
  using Shard = std::vector<PodPort>;
  /// One for each value of an address's last byte, in which the pods of a node differ.
  static constexpr std::size_t kShards = 256;
  [[nodiscard]] static std::size_t shard_of(const PodPort::Address& address) noexcept {
    return address.back();
  }

  std::array<boost::shared_ptr<const Shard>, kShards> shards;  ///< null: empty

  /// Those of one address. Allocates nothing.
  [[nodiscard]] std::span<const PodPort> find(
      const boost::asio::ip::address& address) const noexcept;
};

}  // namespace router
