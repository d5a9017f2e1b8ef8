// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/callers.hpp"

#include <algorithm>
#include <climits>
#include <cstddef>
#include <span>

namespace router {
namespace {

namespace ip = boost::asio::ip;

/// Whether the first `n_bits` of both are the same.
bool share_prefix(std::span<const unsigned char> a,
                  std::span<const unsigned char> b,
                  std::size_t n_bits) noexcept {
  const std::size_t n_bytes = n_bits / CHAR_BIT;
  const std::size_t n_rest = n_bits % CHAR_BIT;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n_bytes), b.begin())) {
    return false;
  }
  return n_rest == 0 || (a[n_bytes] ^ b[n_bytes]) >> (CHAR_BIT - n_rest) == 0;
}

}  // namespace

bool AddressRange::contains(const ip::address& address) const noexcept {
  if (address.is_v4() != base.is_v4()) {
    return false;
  }
  return address.is_v4()
             ? share_prefix(address.to_v4().to_bytes(), base.to_v4().to_bytes(), prefix_bits)
             : share_prefix(address.to_v6().to_bytes(), base.to_v6().to_bytes(), prefix_bits);
}

Caller Callers::find(const ip::address& peer) const {
  Caller caller;
  if (const auto pod = pods.find(peer); pod != pods.end()) {
    caller.pod = pod->second.get();
    caller.is_allowed = allowed.node_pods;
    caller.may_become_known = awaits_list;
  } else if (ambiguous.contains(peer)) {
    caller.is_allowed = allowed.node_pods;
    caller.may_become_known = awaits_addresses || awaits_list;
  } else if (peer.is_loopback()) {
    caller.is_allowed = allowed.loopback;
  } else if (hosts.contains(peer)) {
    caller.is_allowed = allowed.node_pods;
  } else {
    caller.may_become_known = awaits_addresses || awaits_list;
  }
  caller.is_allowed =
      caller.is_allowed ||
      std::any_of(allowed.ranges.begin(), allowed.ranges.end(), [&peer](const AddressRange& range) {
        return range.contains(peer);
      });
  return caller;
}

bool operator==(const Callers& a, const Callers& b) {
  const auto same_pod = [&b](const auto& entry) {
    const auto other = b.pods.find(entry.first);
    return other != b.pods.end() && *other->second == *entry.second;
  };
  return a.allowed == b.allowed && a.hosts == b.hosts && a.ambiguous == b.ambiguous &&
         a.awaits_addresses == b.awaits_addresses && a.awaits_list == b.awaits_list &&
         a.pods.size() == b.pods.size() && std::all_of(a.pods.begin(), a.pods.end(), same_pod);
}

}  // namespace router
