// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "router/control/snapshot.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

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

  /// Takes over a snapshot that is in force from `now` on. Looks at the Services that are not those
  /// of the one before.
  void see(const Snapshot& snapshot, TimePoint now);

  /// In no particular order.
  [[nodiscard]] std::vector<EndpointSince> all() const;

 private:
  using Key = std::pair<std::uint16_t, boost::asio::ip::tcp::endpoint>;  // port, address
  struct Known {
    boost::shared_ptr<const Service> service;  // shared with the snapshots that hold it
    std::map<Key, TimePoint> first_seen;
  };

  std::map<std::string, Known> services_;  // by `name.namespace`
};

}  // namespace router::control
