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
/// If there are more, those leave that came last of the caller who has most waiting, on a worker
/// that has more than its even part of the bound: the callers of one worker cannot fill the queue
/// for those of another. A worker with more gives it up as its next requests come, or when those
/// that wait have waited long enough; until then there may be more, by less than the bound again.
class RequestQueue {
 public:
  RequestQueue(const PoolContext& context, SharedPort& shared)
      : context_{context}, shared_{shared} {}
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
  [[nodiscard]] std::uint32_t n_requests() const noexcept { return n_requests_; }

 private:
  /// By one that comes; a turn is to end. With more than one the queue becomes shorter.
  static constexpr int kCrowdedOutAtOnce = 16;
  /// For this worker.
  [[nodiscard]] bool is_too_long() const noexcept;

  PoolContext context_;
  SharedPort& shared_;
  std::uint32_t max_requests_ = 0;
  std::uint32_t n_requests_ = 0;
  FairQueue<QueuedRequest, QueuedRequests> queue_;
};

}  // namespace router
