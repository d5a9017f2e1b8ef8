// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/endpoint_waiter.hpp"
#include "router/cluster/shared_port.hpp"
#include "router/pool/pool.hpp"

#include <cstdint>

namespace router {

/// The requests of a Service port that wait: for a connection of an endpoint, for room, or for
/// other endpoints. One worker's side; the bound is the process's.
///
/// If there are more, those leave that came last of the caller who has most waiting, on the worker
/// that has most: the callers of one worker cannot fill the queue for those of another. If that is
/// another worker than the one whose request came, it is told, so that the bound is exceeded by
/// what comes until its next turn.
class RequestQueue final : private SharedWaker {
 public:
  RequestQueue(const PoolContext& context, SharedPort& shared, SharedWorker& own);
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;
  /// Nobody waits any more.
  ~RequestQueue() = default;

  /// From the next request on.
  void apply(std::uint32_t max_requests) noexcept { max_requests_ = max_requests; }

  /// Counts a request until `leave`; once, if it comes again. Crowds out whom there is no place
  /// for, which may be this one.
  void enter(QueuedRequest& request, const QueuePlace& place);
  /// Nothing if it does not wait.
  void leave(QueuedRequest& request) noexcept;
  /// On this worker.
  [[nodiscard]] std::uint32_t n_requests() const noexcept { return own_.n_queued.load(); }

 private:
  /// In one turn of the loop, which is to end.
  static constexpr int kCrowdedOutAtOnce = 16;

  /// Here, or where most wait.
  void shorten();
  void wake() override;

  PoolContext context_;
  SharedPort& shared_;
  SharedWorker& own_;
  std::uint32_t max_requests_ = 0;
  FairQueue<QueuedRequest, QueuedRequests> queue_;
};

}  // namespace router
