// SPDX-License-Identifier: Apache-2.0
#include "router/control/pod_port_table.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <tuple>
#include <utility>

namespace router::control {
namespace {

/// The order within a shard.
auto in_order(const ClusterIds& ids) {
  return [&ids](const PodPort& a, const PodPort& b) {
    return a.address == b.address && a.number == b.number
               ? ids.is_before(a.cluster, b.cluster)
               : std::tie(a.address, a.number) < std::tie(b.address, b.number);
  };
}

/// Each once: an IPv4 address and its IPv4-mapped form are the same.
std::vector<PodPort> ports_of(ClusterId cluster,
                              std::span<const boost::asio::ip::tcp::endpoint> endpoints) {
  std::vector<PodPort> ports;
  ports.reserve(endpoints.size());
  for (const boost::asio::ip::tcp::endpoint& endpoint : endpoints) {
    ports.push_back({.address = pod_address(endpoint.address()),
                     .number = endpoint.port(),
                     .cluster = cluster});
  }
  std::sort(ports.begin(), ports.end(), [](const PodPort& a, const PodPort& b) {
    return std::tie(a.address, a.number) < std::tie(b.address, b.number);
  });
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return ports;
}

}  // namespace

void PodPortTable::set(ClusterId cluster,
                       std::span<const boost::asio::ip::tcp::endpoint> endpoints) {
  const std::vector<PodPort> ports = ports_of(cluster, endpoints);
  held_.resize(std::max<std::size_t>(held_.size(), cluster + 1));
  Held& held = held_[cluster];
  // As many, and each of them is there: the same. So it is in most changes of a slice.
  if (held.n_ports == ports.size() &&
      std::all_of(
          ports.begin(), ports.end(), [this](const auto& port) { return is_built(port); })) {
    return;
  }
  touched_ |= std::exchange(held.shards, {});
  for (const PodPort& port : ports) {
    held.shards.set(PodPorts::shard_of(port.address));
  }
  touched_ |= held.shards;
  held.n_ports = static_cast<std::uint32_t>(ports.size());
  held.is_replaced = true;
  replaced_.push_back(cluster);
  added_.insert(added_.end(), ports.begin(), ports.end());
}

bool PodPortTable::is_built(const PodPort& port) const {
  const PodPorts::Shard* const shard = built_->shards[PodPorts::shard_of(port.address)].get();
  if (shard == nullptr) {
    return false;
  }
  const auto [first, last] =
      std::equal_range(shard->begin(), shard->end(), port, [](const PodPort& a, const PodPort& b) {
        return std::tie(a.address, a.number) < std::tie(b.address, b.number);
      });
  return std::find(first, last, port) != last;
}

boost::shared_ptr<const PodPorts> PodPortTable::build(const ClusterIds& ids) {
  if (replaced_.empty()) {
    return built_;
  }
  std::array<PodPorts::Shard, PodPorts::kShards> added;
  for (const PodPort& port : std::exchange(added_, {})) {
    added[PodPorts::shard_of(port.address)].push_back(port);
  }
  PodPorts next = *built_;
  bool is_changed = false;
  for (std::size_t i = 0; i < PodPorts::kShards; ++i) {
    std::optional<PodPorts::Shard> shard =
        touched_[i] ? changed(next.shards[i].get(), added[i], ids) : std::nullopt;
    if (shard) {
      next.shards[i] =
          shard->empty() ? nullptr : boost::make_shared<const PodPorts::Shard>(*std::move(shard));
      is_changed = true;
    }
  }
  touched_.reset();
  for (const ClusterId cluster : std::exchange(replaced_, {})) {
    held_[cluster].is_replaced = false;
  }
  if (is_changed) {
    built_ = boost::make_shared<const PodPorts>(std::move(next));
  }
  return built_;
}

/// What has become of a shard; nothing if it is as it was.
std::optional<PodPorts::Shard> PodPortTable::changed(const PodPorts::Shard* before,
                                                     PodPorts::Shard& added,
                                                     const ClusterIds& ids) const {
  static const PodPorts::Shard none;
  const PodPorts::Shard& old = before == nullptr ? none : *before;
  const auto is_kept = [this](const PodPort& port) { return !held_[port.cluster].is_replaced; };
  const auto n_kept = std::count_if(old.begin(), old.end(), is_kept);
  if (added.empty() && static_cast<std::size_t>(n_kept) == old.size()) {
    return std::nullopt;
  }
  std::sort(added.begin(), added.end(), in_order(ids));
  PodPorts::Shard result;
  result.reserve(static_cast<std::size_t>(n_kept) + added.size());  // it is kept as it is
  std::copy_if(old.begin(), old.end(), std::back_inserter(result), is_kept);
  result.insert(result.end(), added.begin(), added.end());
  std::inplace_merge(result.begin(), result.begin() + n_kept, result.end(), in_order(ids));
  return result == old ? std::nullopt : std::optional{std::move(result)};
}

}  // namespace router::control
