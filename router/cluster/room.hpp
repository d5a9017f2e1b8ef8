// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/endpoint_waiter.hpp"
#include "router/cluster/shared_port.hpp"
#include "router/pool/pool.hpp"

#include <cstddef>
#include <cstdint>

namespace router {

/// `limits.concurrency` as a number: how many requests of a Service port may be with its endpoints
/// at a time, and who waits until one of them has ended. One worker's side; the count is the
/// process's, and exact.
///
/// Of those that wait on one worker the callers are served in turn (`FairQueue`). Between workers
/// room goes round: who frees it gives it to the next one with a waiter, so that a worker with few
/// requests gets its turn beside one with many. Whoever comes while others wait on its worker waits
/// behind them.
///
/// The limit of each endpoint, `limits.perEndpoint`, is the cluster's to hold; those for whom it
/// leaves no endpoint wait here too, since the end of a request may make room for them.
class Room final : private Flushable, private SharedWaker {
 public:
  Room(const PoolContext& context, SharedPort& shared, SharedWorker& own);
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room();

  /// `limit`: of the requests; 0: none. `is_limited`: by this or by another limit.
  void apply(std::uint32_t limit, bool is_limited);

  /// Whether one more may be sent; if so, it counts until `leave`. Never while others wait here.
  [[nodiscard]] bool try_enter();
  /// The same for one that no limit holds for.
  void enter();
  /// One that was counted has found no endpoint. Nobody hears of it: they would find none either.
  void leave_unused();
  /// One has ended: whoever waits for room hears of it at the end of the turn.
  void leave();

  /// Calls `on_new_endpoints` once there may be room.
  void wait(EndpointWaiter& waiter, const QueuePlace& place);
  /// Room may have come otherwise than by a request's end.
  void serve_all();

 private:
  void flush() override;
  void wake() override;
  void on_woken();
  /// Serves waiters until as many have taken a place, or there is no more.
  void serve(std::size_t n_places);
  void count();

  PoolContext context_;
  SharedPort& shared_;
  SharedWorker& own_;
  std::uint32_t limit_ = 0;
  bool is_limited_ = false;
  std::uint32_t in_flight_ = 0;  ///< of this worker
  std::uint32_t counted_ = 0;    ///< those of them that are in the process's count
  std::uint32_t freed_ = 0;      ///< in this turn
  bool is_serving_ = false;
  bool must_look_again_ = false;
  FairQueue<EndpointWaiter, EndpointWaiters> waiters_;
};

}  // namespace router
