// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/request_queue.hpp"

namespace router {

void RequestQueue::enter(QueuedRequest& request, const QueuePlace& place) {
  if (request.is_linked()) {
    return;  // it waits again
  }
  queue_.push(request, place);
  ++n_requests_;
  context_.service_metrics.requests_queued.add();
  shared_.queued().enter(1);
  for (int n = 0; n < kCrowdedOutAtOnce && is_too_long(); ++n) {
    context_.loop.metrics().hit(telemetry::Limit::queue_requests);
    queue_.last_of_most().on_crowded_out();
  }
}

bool RequestQueue::is_too_long() const noexcept {
  return shared_.queued().value() > max_requests_ &&
         n_requests_ > max_requests_ / shared_.n_workers();
}

void RequestQueue::leave(QueuedRequest& request) noexcept {
  if (request.is_linked()) {
    request.unlink();
    --n_requests_;
    context_.service_metrics.requests_queued.subtract();
    shared_.queued().leave(1);
  }
}

}  // namespace router
