// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "router/control/snapshot.hpp"
#include "router/resolve/service_table.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace router::control {

/// Since when an endpoint of a Service port has got requests, or could have.
struct EndpointSince {
  std::string service_namespace{};
  std::string service{};
  std::uint16_t port = 0;
  std::string address{};  ///< `10.0.0.1:8080`, `[fd00::1]:8080`
  std::string pod{};      ///< see Endpoint
  k8s_client::Clock::TimePoint first_seen{};

  friend bool operator==(const EndpointSince&, const EndpointSince&) = default;
};

/// Which endpoints are meant; what is empty means all.
struct EndpointFilter {
  std::string service_namespace{};
  std::string service{};

  [[nodiscard]] bool takes(std::string_view its_namespace, std::string_view its_service) const {
    return (service_namespace.empty() || service_namespace == its_namespace) &&
           (service.empty() || service == its_service);
  }
};

/// Is shown endpoints one by one: a large cluster has more than anybody wants to keep.
using EndpointVisitor = std::function<void(const EndpointSince&)>;

/// Remembers in which snapshot each endpoint came first. One that goes and comes back is a new one.
class EndpointAges {
 public:
  using TimePoint = k8s_client::Clock::TimePoint;

  /// Takes over a snapshot that is in force from `now` on. Looks at what it does not share with the
  /// one before.
  void see(const Snapshot& snapshot, TimePoint now);

  /// Shows those that are meant, in no particular order.
  void show(const EndpointFilter& filter, const EndpointVisitor& visit) const;

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
