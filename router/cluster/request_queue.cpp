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
  const std::uint32_t n_of_all = shared_.queued().value();
  if (n_of_all <= max_requests_) {
    return;
  }
  const std::uint32_t even_part = max_requests_ / shared_.n_workers();
  for (std::uint32_t excess = n_of_all - max_requests_; excess > 0 && n_requests_ > even_part;
       --excess) {
    context_.loop.metrics().hit(telemetry::Limit::queue_requests);
    queue_.last_of_most().on_crowded_out();
  }
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
