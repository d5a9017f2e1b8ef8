// SPDX-License-Identifier: Apache-2.0
// The part of an exchange that faces the endpoint: one attempt, its failure, and the way to the
// next.
#include "router/exchange/asked_pause.hpp"
#include "router/exchange/edit.hpp"
#include "router/exchange/exchange.hpp"
#include "router/exchange/grpc.hpp"

#include <algorithm>
#include <utility>

namespace router {

void Exchange::on_connection(UpstreamConnection& connection) {
  stop_waiting();
  attempt_ = AttemptState::sent;
  attempt_at_ = host_.loop().now();
  lower_grpc_timeout();
  const bool is_whole =
      request_body_.is_finished() && request_body_.size() == 0 && request_trailers_.empty();
  upstream_ = &connection.open(*this, request_, is_whole);
}

void Exchange::on_no_connection(Errc reason) {
  stop_waiting();
  // Refused: the endpoint has left the snapshot.
  end_attempt(reason == Errc::stream_refused ? AttemptOutcome::Kind::unsent
                                             : AttemptOutcome::Kind::failure);
  repick_or_fail({reason, Sent::no});
}

void Exchange::on_new_endpoints() {
  stop_waiting();
  attempt_ = AttemptState::done;
  try_endpoint();
}

void Exchange::stop_waiting() {
  --cluster_->waiting;
  queued_for_ += host_.loop().now() - attempt_at_;
  wait_timer_.cancel();
  PoolWaiter::unlink();
  EndpointWaiter::unlink();
}

void Exchange::lower_grpc_timeout() {
  if (!deadline_ || request_.fields.remove("grpc-timeout") == 0) {
    return;
  }
  request_.fields.add_copy("grpc-timeout", format_grpc_timeout(*deadline_ - host_.loop().now()));
}

void Exchange::on_informational(ReplyHead head) {
  edit_reply(head.fields);
  client_->send_informational(head);
}

void Exchange::on_reply_head(ReplyHead head, bool end) {
  attempt_ = AttemptState::committed;
  head_at_ = host_.loop().now();
  request_body_.stop_keeping();
  reply_has_begun_ = true;
  leave_cluster();
  reply_status_ = head.status;
  grpc_status_ = grpc_status_of(head.fields);
  asked_pause_ = asked_pause(head.fields);
  if (!speaks_against_endpoint()) {
    cluster_->on_good_head(*endpoint_, *head_at_ - attempt_at_);
  }
  edit_reply(head.fields);
  if (end) {
    deadline_timer_.cancel();  // nothing is left to wait for but the client
    reply_body_.finish(BodyState::ended);
  }
  client_->send_head(std::move(head), end);
}

void Exchange::on_reply_data(std::span<const std::byte> bytes) {
  if (request_.is_grpc) {
    reply_framing_.follow(bytes);
  }
  reply_body_.append(bytes);
  client_->resume();
}

void Exchange::on_reply_trailers(HeaderList trailers) {
  grpc_status_ = grpc_status_of(trailers);
  asked_pause_ = std::max(asked_pause_, asked_pause(trailers));
  edit_reply(trailers);
  reply_trailers_ = std::move(trailers);
  end_reply(BodyState::trailers);
}

void Exchange::on_reply_end() {
  end_reply(BodyState::ended);
}

void Exchange::end_reply(BodyState how) {
  // Nothing is left to wait for but the client.
  deadline_timer_.cancel();
  reply_body_.finish(how);
  client_->resume();
}

void Exchange::on_upstream_closed() {
  upstream_ = nullptr;
  end_attempt(speaks_against_endpoint() ? AttemptOutcome::Kind::failure
                                        : AttemptOutcome::Kind::reply);
  stop_taking_request();
}

void Exchange::on_attempt_failed(AttemptFailure failure) {
  upstream_ = nullptr;
  // A refusal says that the endpoint is full or going away, not that it is ill.
  end_attempt(failure.reason == Errc::stream_refused ? AttemptOutcome::Kind::refusal
                                                     : AttemptOutcome::Kind::failure);
  repick_or_fail(failure);
}

void Exchange::repick_or_fail(AttemptFailure failure) {
  const bool may_repeat =
      failure.sent == Sent::no && !reply_has_begun_ && request_body_.is_repeatable();
  if (!may_repeat) {
    fail(failure.reason, {});
    return;
  }
  if (tried_.size() > kMaxRepicks) {
    host_.loop().metrics().hit(telemetry::Limit::repicks);
    fail(failure.reason, {});
    return;
  }
  request_body_.rewind();
  last_failure_ = failure.reason;
  try_endpoint();
}

bool Exchange::speaks_against_endpoint() const noexcept {
  return port_->policy.endpoint_failures.has(reply_status_, grpc_status_);
}

Pulled Exchange::pull_request(std::span<std::byte> into) {
  const Pulled pulled = request_body_.take(into);
  if (client_ != nullptr && request_body_.newly_taken() > 0) {
    client_->consumed(request_body_.newly_taken());
  }
  return pulled;
}

void Exchange::end_attempt(AttemptOutcome::Kind how) {
  attempt_ = AttemptState::done;
  const AttemptOutcome outcome{how,
                               head_at_.value_or(host_.loop().now()) - attempt_at_,
                               std::exchange(asked_pause_, std::nullopt)};
  cluster_->release(*std::exchange(endpoint_, nullptr), outcome);
}

void Exchange::give_up_attempt() {
  leave_cluster();
  if (attempt_ == AttemptState::stranded) {
    stop_waiting();
    attempt_ = AttemptState::done;
  }
  if (endpoint_ == nullptr) {
    return;
  }
  AttemptOutcome::Kind how = AttemptOutcome::Kind::reply;
  if (attempt_ == AttemptState::queued) {
    stop_waiting();
    how = AttemptOutcome::Kind::unsent;
  } else if (attempt_ == AttemptState::sent) {
    how = reason_ == Errc::deadline_exceeded ? AttemptOutcome::Kind::failure
                                             : AttemptOutcome::Kind::silence;
  } else if (!reason_ && speaks_against_endpoint()) {
    how = AttemptOutcome::Kind::failure;
  }
  if (upstream_ != nullptr) {
    std::exchange(upstream_, nullptr)->reset(Reset::cancel);
  }
  end_attempt(how);
}

}  // namespace router
