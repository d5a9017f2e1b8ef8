// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

namespace test {

/// Of the endpoints that tests number from 0.
inline boost::asio::ip::tcp::endpoint address_of(std::size_t endpoint) {
  return {boost::asio::ip::address_v4{0x0a000001U + static_cast<std::uint32_t>(endpoint)}, 80};
}

/// One worker's side of the port, without connections.
class Worker final : public router::ConnectionFactory {
 public:
  Worker(const router::ServicePort& port, router::SharedPort& shared)
      : cluster{router::PoolContext{
                    loop_, *this, metrics.add_service("shop", "cart", "80"), on_unreachable},
                port,
                shared,
                1} {
    turn();
  }

  /// A request to that endpoint, which ends so.
  void ends(std::size_t endpoint, router::AttemptOutcome outcome) {
    outcome.sent_at = now();
    outcome.heard_at = now();
    cluster.release(cluster.acquire_at(address_of(endpoint)), outcome);
  }
  void fails(std::size_t endpoint, int n = 1) {
    for (int i = 0; i < n; ++i) {
      ends(endpoint,
           {.kind = router::AttemptOutcome::Kind::failure, .took = std::chrono::milliseconds{1}});
    }
  }
  void replies(std::size_t endpoint) {
    ends(endpoint,
         {.kind = router::AttemptOutcome::Kind::reply, .took = std::chrono::milliseconds{1}});
  }

  /// Whether one of eight requests, one after the other, is for that endpoint.
  bool uses(std::size_t endpoint) {
    bool is_used = false;
    for (int i = 0; i < 8; ++i) {
      router::ClusterEndpoint* const chosen = cluster.acquire({}, std::nullopt);
      is_used = is_used || chosen->endpoint().address == address_of(endpoint);
      cluster.release(*chosen, {.kind = router::AttemptOutcome::Kind::unsent});
    }
    return is_used;
  }

  /// A request that is placed, or nothing if there is no room.
  router::ClusterEndpoint* begin() { return cluster.acquire({}, std::nullopt); }
  void end(router::ClusterEndpoint* endpoint) {
    cluster.release(
        *endpoint,
        {.kind = router::AttemptOutcome::Kind::reply, .took = std::chrono::milliseconds{1}});
  }

  [[nodiscard]] router::TimePoint now() { return loop_.now(); }
  /// What it and others have caused here.
  void turn() { loop_.turn(std::chrono::milliseconds{0}); }

  std::unique_ptr<router::UpstreamConnection> connect(
      const router::ConnectOptions& /*options*/,
      router::UpstreamConnectionEvents& /*events*/) override {
    std::abort();
  }

  router::telemetry::CoreMetrics metrics;
  router::UnreachableListener on_unreachable;

 private:
  router::Loop loop_{metrics};

 public:
  router::Cluster cluster;
};

}  // namespace test
