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

}  // namespace

void PodPortTable::add(ClusterId cluster,
                       std::span<const boost::asio::ip::tcp::endpoint> endpoints) {
  for (const boost::asio::ip::tcp::endpoint& endpoint : endpoints) {
    added_.push_back({.address = pod_address(endpoint.address()),
                      .number = endpoint.port(),
                      .cluster = cluster});
  }
}

void PodPortTable::forget(ClusterId cluster) {
  is_forgotten_.resize(std::max<std::size_t>(is_forgotten_.size(), cluster + 1));
  is_forgotten_[cluster] = true;
}

boost::shared_ptr<const PodPorts> PodPortTable::build(const ClusterIds& ids) {
  if (added_.empty() && is_forgotten_.empty()) {
    return built_;
  }
  std::array<PodPorts::Shard, PodPorts::kShards> added;
  for (const PodPort& port : std::exchange(added_, {})) {
    added[PodPorts::shard_of(port.address)].push_back(port);
  }
  is_forgotten_.resize(ids.size());
  PodPorts next = *built_;
  bool is_changed = false;
  for (std::size_t i = 0; i < PodPorts::kShards; ++i) {
    std::optional<PodPorts::Shard> shard = changed(next.shards[i].get(), added[i], ids);
    if (shard) {
      next.shards[i] =
          shard->empty() ? nullptr : boost::make_shared<const PodPorts::Shard>(*std::move(shard));
      is_changed = true;
    }
  }
  is_forgotten_.clear();
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
  const auto n_kept = std::count_if(
      old.begin(), old.end(), [this](const PodPort& port) { return !is_forgotten_[port.cluster]; });
  if (added.empty() && static_cast<std::size_t>(n_kept) == old.size()) {
    return std::nullopt;
  }
  std::sort(added.begin(), added.end(), in_order(ids));
  PodPorts::Shard result;
  result.reserve(static_cast<std::size_t>(n_kept) + added.size());  // it is kept as it is
  std::copy_if(old.begin(), old.end(), std::back_inserter(result), [this](const PodPort& port) {
    return !is_forgotten_[port.cluster];
  });
  result.insert(result.end(), added.begin(), added.end());
  std::inplace_merge(result.begin(), result.begin() + n_kept, result.end(), in_order(ids));
  return result == old ? std::nullopt : std::optional{std::move(result)};
}

}  // namespace router::control
