// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/spill_over.hpp"
#include "router/cluster/chooser.hpp"
#include "router/cluster/cluster_endpoint.hpp"
#include "router/cluster/ejector.hpp"
#include "router/cluster/endpoint_waiter.hpp"
#include "router/cluster/request_queue.hpp"
#include "router/cluster/retry_timing.hpp"
#include "router/cluster/room.hpp"
#include "router/cluster/shared_port.hpp"
#include "router/cluster/weigher.hpp"
#include "router/control/snapshot.hpp"
#include "router/pool/pool.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/core.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace router {

/// How an attempt ended, for the balancer.
struct AttemptOutcome {
  enum class Kind : std::uint8_t {
    unsent,   ///< tells nothing of the endpoint: nothing was sent there
    reply,    ///< the reply's head came after `took`
    failure,  ///< by `endpointFailure`; after `took`
    refusal,  ///< it takes no stream now
    silence,  ///< no reply for `took`, then the caller gave up
  };
  Kind kind = Kind::unsent;
  /// Since the endpoint got the last that was there of the request: what its caller took to send
  /// the rest is not the endpoint's time.
  std::chrono::nanoseconds took{};
  TimePoint sent_at{};   ///< the request's head; of one unsent, when the endpoint was chosen
  TimePoint heard_at{};  ///< the reply's head came, or it was clear that none would
  /// It asked to be spared for so long (`retry-after`, `grpc-retry-pushback-ms`).
  std::optional<std::chrono::nanoseconds> asked_pause{};
};

/// A Service port's endpoints on one core, and the choice between them. Feeds the balancer with
/// what is seen of them.
class Cluster {
 public:
  /// After a refused stream nothing more is sent there for so long, if another endpoint is left: it
  /// is full or going away, and the news of that takes so long.
  static constexpr std::chrono::milliseconds kRefusalPause{100};

  /// `shared` outlives the cluster; it is the same for each worker's cluster of this port.
  Cluster(const PoolContext& context,
          const ServicePort& port,
          SharedPort& shared,
          std::uint32_t seed);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster();

  /// Takes over the endpoints and the policy of a newer snapshot; null if the Service port is gone.
  void adopt(const ServicePort* port);

  /// Chooses an endpoint for one attempt, none of those whose ids are `tried`; counts it in flight
  /// until `release`. Null if none is left, or there is no room (`is_full`). `key` is that of
  /// `hash_key_of`. Endpoints that are ejected or left alone are chosen only as balancer::Outliers
  /// says.
  [[nodiscard]] ClusterEndpoint* acquire(std::span<const std::uint64_t> tried,
                                         std::optional<std::uint64_t> key);
  /// The same, but none that is ejected or left alone.
  [[nodiscard]] ClusterEndpoint* acquire_in_service(std::span<const std::uint64_t> tried,
                                                    std::optional<std::uint64_t> key);
  /// Whether the last `acquire` has found none because of a limit on requests in flight, of the
  /// Service port or of its endpoints; then `wait_for_room` is worth while.
  [[nodiscard]] bool is_full() const noexcept { return is_full_; }
  /// Calls `on_new_endpoints` when a request has ended.
  void wait_for_room(EndpointWaiter& waiter, const QueuePlace& place) { room_.wait(waiter, place); }
  /// The endpoint at that address, whatever the balancer thinks of it, and also if it is not
  /// selected: the slices have it. Counts it in flight until `release`.
  [[nodiscard]] ClusterEndpoint& acquire_at(const boost::asio::ip::tcp::endpoint& address);
  void release(ClusterEndpoint& endpoint, const AttemptOutcome& outcome);
  /// An endpoint with a failed request asks that nothing more be sent for so long; before its
  /// `release`, where the request's retry has to heed that already.
  void leave_alone(ClusterEndpoint& endpoint, std::chrono::nanoseconds pause);
  /// How long the endpoints to which a retry may go have asked to be spared: until the first of
  /// those that are not `tried`, or of all if all are, may be sent something. Zero where one has
  /// not asked. O(n) while any is left alone.
  [[nodiscard]] std::chrono::nanoseconds pause_before_retry(std::span<const std::uint64_t> tried);
  /// The head of a reply came that does not speak against its endpoint: if the request is a probe,
  /// that is enough, since its end may be hours away.
  void on_good_head(ClusterEndpoint& endpoint, TimePoint sent_at, std::chrono::nanoseconds took);
  /// An endpoint has told its load, in the head or the trailers of a reply.
  void on_load_report(ClusterEndpoint& endpoint, const LoadReport& report);
  /// Whether there are endpoints at all: where `acquire` finds none for a first attempt, they are
  /// all ejected, and panic is forbidden.
  [[nodiscard]] bool has_endpoints() const noexcept { return !endpoints_.empty(); }

  /// Whether an endpoint in service that is not `tried` has a connection. O(n).
  [[nodiscard]] bool is_another_connected(std::span<const std::uint64_t> tried) const noexcept;

  /// For one who tried every endpoint in vain: they may have been replaced, and the news be on its
  /// way. Calls `on_new_endpoints` once: there are others, or none is worth waiting for any more.
  /// False if that is so already: an endpoint is connected, and only took no stream; or there is
  /// none left at all; or for the queue's timeout none has replied and none has come, so that the
  /// Service is down rather than the view old.
  [[nodiscard]] bool wait_for_others(EndpointWaiter& waiter);

  [[nodiscard]] telemetry::ServiceMetrics& metrics() noexcept { return context_.service_metrics; }
  /// Whether one more request of that caller, with a deadline, may be sent while others like it end
  /// late; if so, it is under way until `leave`. `caller`: the same on all workers.
  [[nodiscard]] bool admit(const void* caller);
  /// A request that was admitted at that time has got its reply's head, or never will.
  void leave(const void* caller, balancer::CallEnd how, TimePoint admitted_at);

  /// A request, whatever becomes of it; for the budget of retries.
  void count_request() noexcept {
    own_.requests.add(context_.loop.now(), policy_.retries.budget.window);
  }
  /// Whether the budget, which is that of the process, has room for one more retry or hedge. Looks
  /// at 20 figures of each worker.
  [[nodiscard]] bool has_retry_budget() const noexcept;
  /// One of them has been sent.
  void count_retry() noexcept {
    own_.retries.add(context_.loop.now(), policy_.retries.budget.window);
  }
  [[nodiscard]] RetryTiming& retry_timing() noexcept { return retry_timing_; }

  /// Of those that wait for what is known elsewhere.
  [[nodiscard]] RequestQueue& queue() noexcept { return queue_; }

  /// Destroys endpoints that are not selected and have ended. Not from inside a call of one
  /// of them.
  void forget_unused();

  void describe(std::vector<EndpointView>& views) const;

 private:
  friend class ClusterEndpoint;
  class Admitted;
  [[nodiscard]] std::optional<std::size_t> choose(std::span<const std::uint64_t> tried,
                                                  std::optional<std::uint64_t> key);
  [[nodiscard]] std::optional<std::size_t> choose_at(balancer::Resort resort,
                                                     std::span<const std::uint64_t> tried,
                                                     std::optional<std::uint64_t> key);
  [[nodiscard]] balancer::Reach reach_at(balancer::Resort resort) const noexcept;
  void judge(ClusterEndpoint& endpoint, const AttemptOutcome& outcome);
  void on_connect_failed(ClusterEndpoint& endpoint);
  void on_connect_succeeded(ClusterEndpoint& endpoint);
  void list_candidates();
  void list_members();
  void weigh();
  void share_endpoints();
  void apply_limits();
  [[nodiscard]] std::vector<Endpoint> subset_of(const std::vector<Endpoint>& all) const;
  [[nodiscard]] bool is_each_counted() const noexcept;
  [[nodiscard]] bool has_room(const ClusterEndpoint& endpoint) const noexcept;
  [[nodiscard]] bool is_any_without_room(std::span<const std::uint64_t> tried,
                                         balancer::Resort resort) const noexcept;
  void wake_waiters();
  /// Null if another worker has taken its last room meanwhile.
  [[nodiscard]] ClusterEndpoint* try_take(std::size_t index);
  [[nodiscard]] ClusterEndpoint& unselected_at(const boost::asio::ip::tcp::endpoint& address);
  void retire_missing(const std::vector<Endpoint>& wanted);
  /// True if there were any.
  bool add_new(const std::vector<Endpoint>& wanted);

  PoolContext context_;
  SharedPort& shared_;
  SharedWorker& own_;  ///< this worker's part of it
  std::uint16_t port_number_;
  Policy policy_;
  CallLimit::Part* calls_ = nullptr;  ///< this worker's, from the first with a deadline on
  RetryTiming retry_timing_;
  Chooser chooser_;  ///< its candidates are `endpoints_`, in their order
  std::uint64_t next_id_ = 0;
  std::vector<std::unique_ptr<ClusterEndpoint>> endpoints_;  ///< those selected, sorted by address
  /// Not selected, with requests or connections left: they were, or a caller named them.
  std::vector<std::unique_ptr<ClusterEndpoint>> unselected_;
  Ejector ejector_;  ///< its members are `endpoints_`, in their order
  bool are_all_shared_ = true;
  bool has_spares_ = false;  ///< among `endpoints_`; else there is but one way to choose
  Weigher weigher_;          ///< its endpoints are `endpoints_`, in their order
  Room room_;
  bool is_full_ = false;
  EndpointWaiterList waiters_;
  RequestQueue queue_;
  std::optional<TimePoint> all_failed_at_;  ///< first, since a reply or a new endpoint
};

}  // namespace router
