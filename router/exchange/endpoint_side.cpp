// SPDX-License-Identifier: Apache-2.0
// The part of an exchange that faces the endpoint: what its attempts tell it.
#include "router/exchange/asked_pause.hpp"
#include "router/exchange/edit.hpp"
#include "router/exchange/exchange.hpp"
#include "router/exchange/grpc.hpp"

#include <utility>

namespace router {

const RequestHead& Exchange::request_head() {
  if (plan_.deadline && request_.fields.remove("grpc-timeout") > 0) {
    request_.fields.add_copy("grpc-timeout",
                             format_grpc_timeout(*plan_.deadline - host_.loop().now()));
  }
  return request_;
}

bool Exchange::is_request_whole() const {
  return request_body_.is_empty() && request_trailers_.empty();
}

Pulled Exchange::take_request(std::uint64_t& position, std::span<std::byte> into) {
  const Pulled pulled = request_body_.take(position, into);
  if (client_ != nullptr && request_body_.newly_taken() > 0) {
    client_->consumed(request_body_.newly_taken());
  }
  return pulled;
}

void Exchange::on_informational(ReplyHead head) {
  edit_reply(head.fields);
  client_->send_informational(head);
}

void Exchange::on_reply_head(Attempt& attempt, ReplyHead head, bool end) {
  attempt.commit();
  head_at_ = host_.loop().now();
  request_body_.stop_keeping(attempt.position());
  reply_has_begun_ = true;
  leave_cluster();
  reply_status_ = head.status;
  grpc_status_ = grpc_status_of(head.fields);
  attempt.note_asked_pause(asked_pause(head.fields));
  if (!speaks_against_endpoint()) {
    plan_.cluster->on_good_head(attempt.endpoint(), *head_at_ - attempt.began_at());
  }
  edit_reply(head.fields);
  if (end) {
    timer_.cancel();  // nothing is left to wait for but the client
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
  attempt_.note_asked_pause(asked_pause(trailers));
  edit_reply(trailers);
  reply_trailers_ = std::move(trailers);
  end_reply(BodyState::trailers);
}

void Exchange::on_reply_end() {
  end_reply(BodyState::ended);
}

void Exchange::end_reply(BodyState how) {
  // Nothing is left to wait for but the client.
  timer_.cancel();
  reply_body_.finish(how);
  client_->resume();
}

void Exchange::on_reply_complete(Attempt& attempt) {
  attempt.end(speaks_against_endpoint() ? AttemptOutcome::Kind::failure
                                        : AttemptOutcome::Kind::reply);
  stop_taking_request();
}

bool Exchange::speaks_against_endpoint() const noexcept {
  return plan_.port->policy.endpoint_failures.has(reply_status_, grpc_status_);
}

void Exchange::on_no_endpoint(Attempt& /*attempt*/, Errc reason, std::string_view detail) {
  fail(reason, detail);
}

void Exchange::on_attempt_lost(Attempt& attempt, AttemptFailure failure) {
  const bool may_repeat =
      failure.sent == Sent::no && !reply_has_begun_ && request_body_.is_repeatable();
  if (!may_repeat) {
    fail(failure.reason, {});
    return;
  }
  if (plan_.tried.size() > kMaxRepicks) {
    host_.loop().metrics().hit(telemetry::Limit::repicks);
    fail(failure.reason, {});
    return;
  }
  attempt.start();
}

void Exchange::give_up_attempt() {
  leave_cluster();
  attempt_.give_up(reason_ == Errc::deadline_exceeded ? AttemptOutcome::Kind::failure
                                                      : AttemptOutcome::Kind::silence,
                   !reason_ && plan_.port != nullptr && speaks_against_endpoint()
                       ? AttemptOutcome::Kind::failure
                       : AttemptOutcome::Kind::reply);
}

}  // namespace router
