// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/pod_ports.hpp"

#include "router/worker/unmapped.hpp"

#include <algorithm>

namespace router {

namespace ip = boost::asio::ip;

PodPort::Address pod_address(const ip::address& address) noexcept {
  return address.is_v4() ? ip::make_address_v6(ip::v4_mapped, address.to_v4()).to_bytes()
                         : address.to_v6().to_bytes();
}

ip::tcp::endpoint PodPort::endpoint() const {
  return {unmapped(ip::address_v6{address}), number};
}

std::span<const PodPort> PodPorts::find(const ip::address& address) const noexcept {
  const PodPort::Address wanted = pod_address(address);
  const auto& shard = shards[shard_of(wanted)];
  if (!shard) {
    return {};
  }
  const auto first = std::lower_bound(
      shard->begin(), shard->end(), wanted, [](const PodPort& port, const PodPort::Address& bytes) {
        return port.address < bytes;
      });
  const auto last = std::find_if(
      first, shard->end(), [&wanted](const PodPort& port) { return port.address != wanted; });
  return {first, last};
}

}  // namespace router
