// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "router/control/snapshot.hpp"
#include "router/resolve/service_table.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace router::control {

/// Since when an endpoint of a Service port has got requests, or could have.
struct EndpointSince {
  std::string service_namespace;
  std::string service;
  std::uint16_t port = 0;
  std::string address;  ///< `10.0.0.1:8080`, `[fd00::1]:8080`
  k8s_client::Clock::TimePoint first_seen;

  friend bool operator==(const EndpointSince&, const EndpointSince&) = default;
};

/// Remembers in which snapshot each endpoint came first. One that goes and comes back is a new one.
class EndpointAges {
 public:
  using TimePoint = k8s_client::Clock::TimePoint;

  /// Takes over a snapshot that is in force from `now` on. Looks at what it does not share with the
  /// one before.
  void see(const Snapshot& snapshot, TimePoint now);

  /// In no particular order.
  [[nodiscard]] std::vector<EndpointSince> all() const;

 private:
  /// Of one Service: when its endpoints came, port by port, in their order.
  using FirstSeen = std::vector<TimePoint>;

  /// Of a shard of the snapshot's table: one FirstSeen for each Service, in its order.
  struct Shard {
    ServiceTable::ShardPtr services;  // shared with the snapshots that hold it
    std::vector<FirstSeen> first_seen;
  };

  [[nodiscard]] static Shard renewed(Shard& before, ServiceTable::ShardPtr services, TimePoint now);

  std::array<Shard, ServiceTable::kShards> shards_;
};

}  // namespace router::control
