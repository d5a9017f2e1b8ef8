// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/outlier.hpp"
#include "balancer/peak_ewma.hpp"
#include "router/cluster/shared_port.hpp"
#include "router/cluster/weigher.hpp"
#include "router/control/snapshot.hpp"
#include "router/pool/pool.hpp"
#include "router/worker/core.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace router {

class Cluster;

/// One endpoint of a Service port on one core: what is known of it, and the connections to it.
///
/// Lives while the snapshots select it, and otherwise until its last request has ended.
class ClusterEndpoint final : private PoolEvents {
 public:
  ClusterEndpoint(const PoolContext& context,
                  std::uint64_t id,
                  Endpoint endpoint,
                  const Policy& policy,
                  Cluster& cluster);

  /// Of what names it: the same on every node, and when its pod comes back elsewhere.
  [[nodiscard]] static std::uint64_t hash_of(const Endpoint& endpoint);

  /// The connections in one protocol; made at the first use.
  [[nodiscard]] Pool& pool(bool is_http1);
  [[nodiscard]] bool is_connected() const noexcept;
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  /// Given once: an endpoint that leaves and comes back has another.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  friend class Cluster;
  void on_connect_failed(Errc reason) override;
  void on_connect_succeeded() override;
  void begin_request() noexcept;
  /// The same, unless `limit` of them are in flight; 0: there is no limit.
  [[nodiscard]] bool try_begin_request(std::uint32_t limit) noexcept;
  void end_request() noexcept;
  /// Counts its requests for all workers, or no longer does.
  void count_for_all(bool counts) noexcept;
  /// Requests in flight, of all workers while they count them; without a record of its own yet, of
  /// this one.
  [[nodiscard]] std::uint32_t in_flight_of_all() const noexcept {
    return shared_ ? shared_->in_flight().value() : in_flight_;
  }
  [[nodiscard]] bool is_unused() const noexcept;
  void apply(const Policy& policy);
  void retire();
  void describe(EndpointView& view) const;

  PoolContext context_;
  std::uint64_t id_;
  Endpoint endpoint_;
  std::uint64_t hash_;  ///< the same on every node, as the pod's name and port are
  std::chrono::nanoseconds decay_;
  std::chrono::nanoseconds connect_timeout_;
  std::chrono::nanoseconds connection_age_;
  balancer::PeakEwma latency_;
  std::uint32_t in_flight_ = 0;
  bool counts_for_all_ = false;  ///< what is in flight, in `shared_`
  std::uint64_t requests_ = 0;
  std::uint64_t failures_ = 0;
  TimePoint next_unreachable_news_{};
  bool is_selected_ = true;
  bool is_named_ = false;  ///< by its address, of a caller, while it was not selected
  std::size_t index_ = 0;  ///< in the cluster's list, while it is selected
  balancer::Health health_;
  Weighed weighed_;
  SharedEndpointPtr shared_;  ///< null until the other workers can be told, and once not selected
  Cluster& cluster_;
  std::array<std::unique_ptr<Pool>, 2> pools_;  ///< HTTP/2, HTTP/1.1
};

}  // namespace router
