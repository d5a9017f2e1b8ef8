// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

namespace router {

/// For the status of a pod that has just begun to run, which kubelet reports within a second or
/// two: longer than that, and the caller is none of this node's pods.
inline constexpr std::chrono::seconds kCallerWait{3};

/// A pod of this node, as far as its requests are concerned.
struct CallerPod {
  std::string namespace_;
  std::string name;
  std::string service_account;
  std::string workload;  ///< `Deployment/cart`; "" for a pod of its own

  friend bool operator==(const CallerPod&, const CallerPod&) = default;
};

/// Addresses that begin with the first `prefix_bits` of `base`.
struct AddressRange {
  boost::asio::ip::address base;
  std::uint8_t prefix_bits = 0;

  [[nodiscard]] bool contains(const boost::asio::ip::address& address) const noexcept;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

/// Who may call, by kind of address.
struct CallersAllowed {
  bool node_pods = true;
  bool loopback = true;
  std::vector<AddressRange> ranges;

  friend bool operator==(const CallersAllowed&, const CallersAllowed&) = default;
};

/// What is known of a peer's address.
struct Caller {
  const CallerPod* pod = nullptr;  ///< lives as long as the snapshot; null: no namespace of its own
  bool is_allowed = false;
  /// A moment later it may be known that this is, or is another, pod of this node.
  bool may_become_known = false;
};

/// Who stands behind the addresses that connections come from. Immutable, part of a snapshot.
///
/// An address means a pod only if it can mean no other one. That of a pod which is going away may
/// have been given to the next pod already, whose status says so only later: so while any pod of
/// this node has no address yet, it means nobody. Pods of the host's network share the node's
/// address, which therefore means none of them. What a former run of this process knew of the pods
/// may have changed while nobody watched, so that any of it is only the last word if there is no
/// other.
struct Callers {
  CallersAllowed allowed;
  std::unordered_map<boost::asio::ip::address, boost::shared_ptr<const CallerPod>> pods;
  std::unordered_set<boost::asio::ip::address> hosts;      ///< of pods in the host's network
  std::unordered_set<boost::asio::ip::address> ambiguous;  ///< of some pod, but not told of which
  bool awaits_addresses = false;                           ///< a pod of this node has none yet
  bool awaits_list = false;  ///< the pods are those of a saved view, and their list is on its way

  /// Allocates nothing. `peer` is no IPv4-mapped address.
  [[nodiscard]] Caller find(const boost::asio::ip::address& peer) const;

  friend bool operator==(const Callers&, const Callers&);
};

}  // namespace router
