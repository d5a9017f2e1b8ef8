// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/room.hpp"

#include <limits>
#include <utility>

namespace router {

Room::Room(const PoolContext& context, SharedPort& shared, SharedWorker& own)
    : context_{context}, shared_{shared}, own_{own} {
  own_.room_waker = this;
}

Room::~Room() {
  context_.loop.forget(*this);
}

void Room::apply(std::uint32_t limit, bool is_limited) {
  limit_ = limit;
  is_limited_ = is_limited;
  count();
}

/// Without a limit nothing is counted, so that the workers do not take a line of memory from each
/// other for every request.
void Room::count() {
  const std::uint32_t wanted = limit_ > 0 ? in_flight_ : 0;
  if (wanted > counted_) {
    shared_.in_flight().enter(wanted - counted_);
  } else if (wanted < counted_) {
    shared_.in_flight().leave(counted_ - wanted);
  }
  counted_ = wanted;
}

bool Room::try_enter() {
  if (!is_serving_ && !waiters_.empty()) {
    return false;
  }
  if (limit_ > 0) {
    if (!shared_.in_flight().try_enter(limit_)) {
      return false;
    }
    ++counted_;
  }
  ++in_flight_;
  return true;
}

void Room::enter() {
  ++in_flight_;
  count();
}

void Room::leave_unused() {
  --in_flight_;
  count();
}

void Room::leave() {
  --in_flight_;
  count();
  if (is_limited_ && shared_.next_waiting(own_) != nullptr) {
    ++freed_;
    context_.loop.flush_later(*this);
  }
}

void Room::wait(EndpointWaiter& waiter, const QueuePlace& place) {
  if (is_serving_) {
    waiters_.put_back(waiter, place);
    return;
  }
  context_.loop.metrics().hit(telemetry::Limit::concurrency);
  waiters_.push(waiter, place);
  if (!own_.waits_for_room.exchange(true)) {
    // Room that came just before others could know of this waiter would be missed.
    must_look_again_ = true;
    context_.loop.flush_later(*this);
  }
}

void Room::serve_all() {
  serve(std::numeric_limits<std::size_t>::max());
}

void Room::serve(std::size_t n_places) {
  bool is_room_left = true;
  while (n_places > 0 && is_room_left && !waiters_.empty()) {
    EndpointWaiter& first = waiters_.pop();
    const std::uint32_t before = in_flight_;
    is_serving_ = true;
    first.on_new_endpoints();
    is_serving_ = false;
    is_room_left = !first.is_linked();  // else it waits again; it lives until the end of the turn
    n_places -= in_flight_ > before ? 1 : 0;
  }
  if (waiters_.empty()) {
    own_.waits_for_room = false;
  }
}

void Room::flush() {
  if (std::exchange(must_look_again_, false)) {
    serve_all();
  }
  for (std::uint32_t n = std::exchange(freed_, 0); n > 0; --n) {
    SharedWorker* const next = shared_.next_waiting(own_);
    if (next == &own_) {
      serve(1);
    } else if (next != nullptr) {
      next->room_waker.load()->wake();
    }
  }
}

void Room::wake() {
  context_.loop.post([this] { on_woken(); });
}

void Room::on_woken() {
  if (!waiters_.empty()) {
    serve(1);
    return;
  }
  own_.waits_for_room = false;  // they have left meanwhile, so the room is another worker's
  if (SharedWorker* const next = shared_.next_waiting(own_)) {
    next->room_waker.load()->wake();
  }
}

}  // namespace router
