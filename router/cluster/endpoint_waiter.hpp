// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/fair_queue.hpp"
#include "router/worker/linked_list.hpp"

namespace router {

/// Somebody whom none of a cluster's endpoints could take, and who waits for others, or for room.
/// Leaves the queue when destroyed.
class EndpointWaiter : public FairWaiter<class EndpointWaiters> {
 public:
  virtual void on_new_endpoints() = 0;

 protected:
  ~EndpointWaiter() = default;
};

/// A request that waits: for a connection of one of a cluster's endpoints, for room, or for other
/// endpoints.
class QueuedRequest : public FairWaiter<class QueuedRequests> {
 public:
  /// Others have come, and there is no room for all.
  virtual void on_crowded_out() = 0;

 protected:
  ~QueuedRequest() = default;
};

using EndpointWaiterList = LinkedList<EndpointWaiter, EndpointWaiters>;

}  // namespace router
