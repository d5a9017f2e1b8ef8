// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster_id.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <boost/smart_ptr/shared_ptr.hpp>

namespace router {

struct Service;

/// The key of a Service in its table: `name.namespace`, lower case; that of a name outside of the
/// cluster is its absolute form, `api.example.com.`, which no Service has.
[[nodiscard]] std::string full_name(const Service& service);

/// The Services of a snapshot, by name and by the ids of their ports.
///
/// A value whose copy costs some hundred counts, however many Services there are: it is made of
/// shards, which its copies share (hence shared_ptr). A change copies the shards of the one Service
/// that it is about, so that neither many snapshots a second nor a long request that keeps an old
/// one cost a copy of it all.
class ServiceTable {
 public:
  using ServicePtr = boost::shared_ptr<const Service>;  ///< shared by all tables that hold it

  struct Entry {
    std::size_t hash;  ///< of `full_name`
    ServicePtr service;

    friend bool operator==(const Entry&, const Entry&) = default;
  };
  using Shard = std::vector<Entry>;  ///< by hash
  using ShardPtr = boost::shared_ptr<const Shard>;

  /// Of 10,000 Services, 40 are in each: as much is copied for a change as for a snapshot.
  static constexpr std::size_t kShards = 256;

  /// Null if there is none. Allocates nothing.
  [[nodiscard]] const Service* find(std::string_view name) const noexcept;
  /// The one that has that port; null: it is gone.
  [[nodiscard]] const Service* with_port(ClusterId id) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Adds it, or replaces the one of its name.
  void put(ServicePtr service);
  /// Repeated: no-op.
  void erase(std::string_view name);

  /// By `full_name`'s hash; null: empty.
  [[nodiscard]] const std::array<ShardPtr, kShards>& shards() const noexcept { return shards_; }

  /// Calls `visit(const Service&)` for each, in no particular order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const ShardPtr& shard : shards_) {
      for (std::size_t i = 0; shard && i < shard->size(); ++i) {
        visit(*(*shard)[i].service);
      }
    }
  }

  /// Calls `visit(ClusterId)` for each port whose Service is another object than in `before`, also
  /// if it is gone. Passes over what the two tables share.
  template <class Visit>
  void for_each_changed_port(const ServiceTable& before, const Visit& visit) const {
    for (std::size_t i = 0; i < std::max(by_port_.size(), before.by_port_.size()); ++i) {
      if (ports_in(i) == before.ports_in(i)) {
        continue;
      }
      for (std::size_t j = 0; j < kPortsInShard; ++j) {
        const auto id = static_cast<ClusterId>(i * kPortsInShard + j);
        if (with_port(id) != before.with_port(id)) {
          visit(id);
        }
      }
    }
  }

 private:
  static constexpr std::size_t kPortsInShard = 64;
  using PortShard = std::array<const Service*, kPortsInShard>;

  [[nodiscard]] const PortShard* ports_in(std::size_t shard) const noexcept {
    return shard < by_port_.size() ? by_port_[shard].get() : nullptr;
  }
  void set_ports(const Service& service, const Service* owner);

  std::array<ShardPtr, kShards> shards_;
  std::vector<boost::shared_ptr<const PortShard>> by_port_;  ///< by ClusterId, of `shards_`
  std::size_t size_ = 0;
};

}  // namespace router
