// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/attempt.hpp"

#include <algorithm>
#include <utility>

namespace router {

void Attempt::start(AttemptKind kind) {
  position_ = 0;
  head_at_.reset();
  asked_pause_.reset();
  is_repetition_ = is_repetition_ || kind == AttemptKind::retry || kind == AttemptKind::hedge;
  endpoint_ = choose_endpoint(kind);
  if (endpoint_ == nullptr) {
    wait_for_endpoint(kind);
    return;
  }
  if (kind == AttemptKind::repick) {
    ++plan_.n_repicks;
    plan_.cluster->metrics().repicks.add();
  }
  plan_.tried.push_back(endpoint_->id());
  state_ = AttemptState::queued;
  began_at_ = loop_.now();
  asked_at_ = began_at_;
  Pool& pool = endpoint_->pool(plan_.to_http1);
  if (plan_.asks_for_tunnel && !pool.has_room_for_tunnel()) {
    loop_.metrics().hit(telemetry::Limit::tunnels);
    on_attempt_failed({Errc::stream_refused, Sent::no});
    return;
  }
  pool.acquire(*this, place_in_queue());
  if (state_ == AttemptState::queued) {
    bound_wait();
  }
  if (state_ == AttemptState::queued && may_move_on()) {  // else it was crowded out at once
    loop_.arm(timer_, std::min(wait_end(), began_at_ + kConnectionPatience));
  }
}

void Attempt::start_retry(Nanoseconds pause) {
  state_ = AttemptState::pausing;
  loop_.arm(timer_, loop_.now() + pause);
}

ClusterEndpoint* Attempt::choose_endpoint(AttemptKind kind) {
  const auto returns_to = std::exchange(returns_to_, std::nullopt);
  const bool may_return = plan_.tried.empty() || kind == AttemptKind::retry;
  if (plan_.named_endpoint) {
    return may_return || returns_to ? &plan_.cluster->acquire_at(*plan_.named_endpoint) : nullptr;
  }
  if (kind == AttemptKind::hedge) {
    return plan_.cluster->acquire_in_service(plan_.tried, plan_.hash_key);
  }
  ClusterEndpoint* chosen = plan_.cluster->acquire(plan_.tried, plan_.hash_key);
  if (chosen == nullptr && may_return && !plan_.tried.empty() && !plan_.cluster->is_full()) {
    chosen = plan_.cluster->acquire({}, plan_.hash_key);
  } else if (chosen == nullptr && returns_to) {
    auto others = plan_.tried;
    others.erase(std::remove(others.begin(), others.end(), *returns_to), others.end());
    chosen = plan_.cluster->acquire(others, plan_.hash_key);
  }
  return chosen;
}

void Attempt::wait_for_endpoint(AttemptKind kind) {
  waits_as_ = kind;
  if (plan_.cluster->is_full() && !plan_.named_endpoint && kind != AttemptKind::hedge) {
    wait_for_room();
    return;
  }
  const bool is_first = plan_.tried.empty();
  if (is_first && !plan_.named_endpoint && plan_.cluster->has_endpoints()) {
    events_.on_no_endpoint(*this, Errc::all_ejected, "ejection.panicPercent is 0");
    return;
  }
  // A pod that was named has no substitute, and a hedge is not worth a wait.
  if (is_first || plan_.named_endpoint || kind == AttemptKind::hedge ||
      !plan_.cluster->wait_for_others(*this)) {
    events_.on_no_endpoint(*this, last_failure_, {});
    return;
  }
  waits_as_ = AttemptKind::repick;
  be_stranded();
  bound_wait();
}

/// Until a request has ended somewhere.
void Attempt::wait_for_room() {
  if (is_too_late()) {
    refuse_as_too_late();
    return;
  }
  if (waits_as_ == AttemptKind::first) {
    last_failure_ = Errc::queue_timeout;
  }
  be_stranded();
  plan_.cluster->wait_for_room(*this, place_in_queue());
  bound_wait();
}

/// Whether a reply can hardly come before the deadline: then the endpoint is spared the work.
bool Attempt::is_too_late() const {
  return plan_.deadline &&
         !plan_.cluster->retry_timing().may_reply_within(*plan_.deadline - loop_.now());
}

void Attempt::refuse_as_too_late() {
  loop_.metrics().hit(telemetry::Limit::queue_deadline);
  events_.on_no_endpoint(*this, Errc::overloaded, "too little of the deadline is left for a reply");
}

void Attempt::be_stranded() noexcept {
  state_ = AttemptState::stranded;
  began_at_ = loop_.now();
}

void Attempt::bound_wait() {
  loop_.arm(timer_, wait_end());
  plan_.cluster->queue().enter(*this, place_in_queue());
}

void Attempt::on_crowded_out() {
  events_.on_no_endpoint(*this, Errc::overloaded, "its queue is full (limits.queue.size)");
}

/// Whose wait ends first is the first of its caller's; what may have been answered already waits
/// behind what was not.
QueuePlace Attempt::place_in_queue() const noexcept {
  return {.caller = plan_.caller,
          .until = std::min(wait_end(), plan_.deadline.value_or(TimePoint::max())),
          .is_repetition = is_repetition_};
}

TimePoint Attempt::wait_end() const noexcept {
  // The wait is bounded over all endpoints tried; the time that they had the request is no wait.
  return began_at_ + plan_.port->policy.queue_timeout - queued_for_;
}

/// Not one that must go where it is: a key belongs to its endpoint.
bool Attempt::may_move_on() const {
  return !has_moved_on_ && !is_repetition_ && !plan_.named_endpoint && !plan_.hash_key;
}

/// To an endpoint that has a connection, most likely. This one is spared for a moment: it may be
/// going, and its connect will tell.
void Attempt::move_on() {
  has_moved_on_ = true;
  suspend_wait();
  end(AttemptOutcome::Kind::refusal);
  last_failure_ = Errc::connect_timeout;
  start(AttemptKind::repick);
}

void Attempt::stop_waiting() {
  plan_.cluster->queue().leave(*this);
  suspend_wait();
}

/// Keeps its place in the cluster's queue: it may have to wait again.
void Attempt::suspend_wait() {
  queued_for_ += loop_.now() - began_at_;
  timer_.cancel();
  PoolWaiter::unlink();
  EndpointWaiter::unlink();
}

void Attempt::on_timer_due() {
  switch (state_) {
    case AttemptState::pausing:
      state_ = AttemptState::done;
      start(AttemptKind::retry);
      break;
    case AttemptState::sent:
      give_up(AttemptOutcome::Kind::failure, AttemptOutcome::Kind::failure);
      last_failure_ = Errc::response_timeout;
      events_.on_attempt_lost(*this, {Errc::response_timeout, Sent::maybe});
      break;
    case AttemptState::stranded:
      events_.on_no_endpoint(*this, last_failure_, {});
      break;
    case AttemptState::queued:
      if (loop_.now() >= wait_end()) {
        events_.on_no_endpoint(*this, Errc::queue_timeout, {});
      } else if (may_move_on() && !endpoint_->is_connected() &&
                 plan_.cluster->is_another_connected(plan_.tried)) {
        move_on();
      } else {
        loop_.arm(timer_, wait_end());
      }
      break;
    case AttemptState::none:
    case AttemptState::committed:
    case AttemptState::done:
      break;
  }
}

void Attempt::on_connection(UpstreamConnection& connection) {
  if (plan_.needs_tunnel && !connection.takes_tunnels()) {
    events_.on_no_endpoint(*this,
                           Errc::method_not_allowed,
                           "the endpoint does not announce extended CONNECT (RFC 8441)");
    return;
  }
  stop_waiting();
  state_ = AttemptState::sent;
  began_at_ = loop_.now();
  asked_at_ = began_at_;
  const bool is_whole = events_.is_request_whole();
  if (is_whole || plan_.asks_for_tunnel) {
    bound_silence();
  }
  upstream_ = &connection.open(*this, events_.request_head(*this), is_whole);
}

Pulled Attempt::pull_request(std::span<std::byte> into) {
  const std::uint64_t before = position_;
  const Pulled pulled = events_.take_request(*this, position_, into);
  const bool is_last = pulled.state != BodyState::open;
  if (state_ == AttemptState::sent && (is_last || position_ > before)) {
    asked_at_ = loop_.now();
    if (is_last) {
      bound_silence();
    }
  }
  return pulled;
}

void Attempt::bound_silence() {
  if (const auto limit = plan_.port->policy.per_try_timeout) {
    loop_.arm(timer_, loop_.now() + *limit);
  }
}

void Attempt::on_no_connection(Errc reason) {
  stop_waiting();
  // Refused: the endpoint has left the snapshot. Queue timeout: there was no socket for it.
  const bool is_of_endpoint = reason != Errc::stream_refused && reason != Errc::queue_timeout;
  end(is_of_endpoint ? AttemptOutcome::Kind::failure : AttemptOutcome::Kind::unsent);
  last_failure_ = reason;
  events_.on_attempt_lost(*this, {reason, Sent::no});
}

void Attempt::on_new_endpoints() {
  suspend_wait();
  state_ = AttemptState::done;
  if (is_too_late()) {
    refuse_as_too_late();
    return;
  }
  if (waits_as_ == AttemptKind::first) {
    last_failure_ = Errc::no_endpoints;  // they may have gone while it waited for room
  }
  start(waits_as_);
}

void Attempt::on_attempt_failed(AttemptFailure failure) {
  upstream_ = nullptr;
  if (failure.may_return) {
    returns_to_ = endpoint_->id();
  }
  // A refusal says that the endpoint is full or going away, not that it is ill.
  end(failure.reason == Errc::stream_refused ? AttemptOutcome::Kind::refusal
                                             : AttemptOutcome::Kind::failure);
  last_failure_ = failure.reason;
  events_.on_attempt_lost(*this, failure);
}

void Attempt::on_upstream_closed() {
  upstream_ = nullptr;
  events_.on_reply_complete(*this);
}

void Attempt::resume() {
  if (upstream_ != nullptr) {
    upstream_->resume();
  }
}

void Attempt::consumed(std::size_t n_bytes) {
  if (upstream_ != nullptr) {
    upstream_->consumed(n_bytes);
  }
}

void Attempt::commit() {
  state_ = AttemptState::committed;
  head_at_ = loop_.now();
  timer_.cancel();
}

void Attempt::end(AttemptOutcome::Kind how) {
  state_ = AttemptState::done;
  timer_.cancel();
  const AttemptOutcome outcome{.kind = how,
                               .took = took(),
                               .sent_at = began_at_,
                               .heard_at = head_at_.value_or(loop_.now()),
                               .asked_pause = asked_pause_};
  plan_.cluster->release(*std::exchange(endpoint_, nullptr), outcome);
}

void Attempt::give_up(AttemptOutcome::Kind unanswered, AttemptOutcome::Kind answered) {
  if (state_ == AttemptState::stranded) {
    suspend_wait();
  }
  if (plan_.cluster != nullptr) {
    plan_.cluster->queue().leave(*this);
  }
  if (endpoint_ == nullptr) {
    timer_.cancel();
    state_ = AttemptState::done;
    return;
  }
  AttemptOutcome::Kind how = state_ == AttemptState::sent ? unanswered : answered;
  if (state_ == AttemptState::queued) {
    stop_waiting();
    how = AttemptOutcome::Kind::unsent;
  }
  if (upstream_ != nullptr) {
    std::exchange(upstream_, nullptr)->reset(Reset::cancel);
  }
  end(how);
}

}  // namespace router
