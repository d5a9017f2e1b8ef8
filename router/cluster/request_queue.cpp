// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/request_queue.hpp"

namespace router {

RequestQueue::RequestQueue(const PoolContext& context, SharedPort& shared, SharedWorker& own)
    : context_{context}, shared_{shared}, own_{own} {
  own_.queue_waker = this;
}

void RequestQueue::enter(QueuedRequest& request, const QueuePlace& place) {
  if (request.is_linked()) {
    return;  // it waits again
  }
  queue_.push(request, place);
  context_.service_metrics.requests_queued.add();
  own_.n_queued.fetch_add(1);
  shared_.queued().enter(1);
  shorten();
}

void RequestQueue::shorten() {
  for (int n = 0; shared_.queued().value() > max_requests_; ++n) {
    SharedWorker& longest = shared_.longest_queue(own_);
    if (&longest != &own_ || n == kCrowdedOutAtOnce) {
      if (!longest.is_to_shorten_queue.exchange(true)) {
        longest.queue_waker.load()->wake();
      }
      return;
    }
    if (n_requests() == 0) {
      return;  // all have left meanwhile, those of other workers too
    }
    context_.loop.metrics().hit(telemetry::Limit::queue_requests);
    queue_.last_of_most().on_crowded_out();
  }
}

void RequestQueue::wake() {
  context_.loop.post([this] {
    own_.is_to_shorten_queue = false;
    shorten();
  });
}

void RequestQueue::leave(QueuedRequest& request) noexcept {
  if (request.is_linked()) {
    request.unlink();
    context_.service_metrics.requests_queued.subtract();
    shared_.queued().leave(1);
    own_.n_queued.fetch_sub(1);
  }
}

}  // namespace router
