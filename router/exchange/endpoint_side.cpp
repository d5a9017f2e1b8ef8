// SPDX-License-Identifier: Apache-2.0
// The part of an exchange that faces the endpoint: what its attempts tell it.
#include "router/exchange/asked_pause.hpp"
#include "router/exchange/edit.hpp"
#include "router/exchange/exchange.hpp"
#include "router/exchange/grpc.hpp"
#include "router/exchange/load_report.hpp"

#include <utility>

namespace router {

const RequestHead& Exchange::request_head(Attempt& attempt) {
  RequestHead& head = &attempt == &attempt_ ? request_ : hedge_->head;
  if (plan_.deadline && head.fields.remove("grpc-timeout") > 0) {
    head.fields.add_copy("grpc-timeout", format_grpc_timeout(*plan_.deadline - host_.loop().now()));
  }
  count_attempts_in(head);
  plan_hedge();
  if (!request_body_.is_finished()) {
    client_->want_body();
  }
  return head;
}

bool Exchange::is_request_whole() const {
  return request_body_.is_empty() && request_trailers_.empty();
}

Pulled Exchange::take_request(Attempt& attempt,
                              std::uint64_t& position,
                              std::span<std::byte> into) {
  const Pulled pulled = request_body_.take(position, into);
  if (Attempt* const rival = rival_of(attempt);
      rival != nullptr && !request_body_.is_repeatable()) {
    give_up(*rival, AttemptOutcome::Kind::silence);
  }
  if (client_ != nullptr && request_body_.newly_taken() > 0) {
    client_->consumed(request_body_.newly_taken());
  }
  return pulled;
}

void Exchange::on_informational(Attempt& attempt, ReplyHead head) {
  // Those of two attempts would come between each other, but for the one that the client may wait
  // for with its body.
  constexpr std::uint16_t kContinue = 100;
  if (head.status == kContinue || &attempt == &attempt_ || rival_of(attempt) == nullptr) {
    edit_reply(head.fields);
    client_->send_informational(head);
  }
}

void Exchange::on_reply_head(Attempt& attempt, ReplyHead head, bool end) {
  const std::optional<std::uint8_t> grpc_status = grpc_status_of(head.fields);
  if (retry_instead(attempt, head.status, grpc_status, head.fields)) {
    return;
  }
  begin_held_reply();  // a rival's, which is the first then
  if (!attempt.is_under_way()) {
    return;
  }
  if (!end && may_repeat_by_trailers(attempt)) {
    attempt.hold();
    held_ = {.head = std::move(head), .from = &attempt};
    host_.loop().flush_later(*this);
    return;
  }
  begin_reply(attempt, std::move(head), grpc_status, end);
}

void Exchange::begin_held_reply() {
  if (held_) {
    HeldHead held = std::move(*held_);
    held_.reset();
    const std::optional<std::uint8_t> grpc_status = grpc_status_of(held.head.fields);
    begin_reply(*held.from, std::move(held.head), grpc_status, false);
  }
}

void Exchange::begin_reply(Attempt& attempt,
                           ReplyHead head,
                           std::optional<std::uint8_t> grpc_status,
                           bool end) {
  if (Attempt* const rival = rival_of(attempt)) {
    give_up(*rival, AttemptOutcome::Kind::silence);
  }
  hedge_at_.reset();
  attempt.commit();
  replying_ = &attempt;
  head_at_ = host_.loop().now();
  active_at_ = *head_at_;
  request_body_.stop_keeping(attempt.position());
  reply_has_begun_ = true;
  leave_cluster();
  reply_status_ = head.status;
  grpc_status_ = grpc_status;
  attempt.note_asked_pause(asked_pause(head.fields));
  tell_load(attempt, head.fields);
  if (!speaks_against_endpoint()) {
    plan_.cluster->on_good_head(attempt.endpoint(), attempt.began_at(), attempt.took());
  }
  edit_reply(head.fields);
  is_tunnel_ = !head.protocol.empty();
  if (is_tunnel_) {
    plan_.deadline.reset();  // it was for an answer, and this is one
    arm_timer();
  } else if (end) {
    timer_.cancel();  // nothing is left to wait for but the client
  }
  if (end) {
    reply_body_.finish(BodyState::ended);
  }
  client_->send_head(std::move(head), end);
}

void Exchange::on_reply_data(std::span<const std::byte> bytes) {
  begin_held_reply();
  active_at_ = host_.loop().now();
  if (request_.is_grpc) {
    reply_framing_.follow(bytes);
  }
  reply_body_.append(bytes);
  client_->resume();
}

void Exchange::on_reply_trailers(Attempt& attempt, HeaderList trailers) {
  const std::optional<std::uint8_t> status = grpc_status_of(trailers);
  if (held_ && retry_instead(attempt, held_->head.status, status, trailers)) {
    return;
  }
  begin_held_reply();
  grpc_status_ = status;
  attempt.note_asked_pause(asked_pause(trailers));
  tell_load(attempt, trailers);
  edit_reply(trailers);
  reply_trailers_ = std::move(trailers);
  counted_fields_.add(size_of(reply_trailers_));
  end_reply(BodyState::trailers);
}

void Exchange::tell_load(Attempt& attempt, const HeaderList& fields) {
  if (const auto report = load_report_of(fields)) {
    plan_.cluster->on_load_report(attempt.endpoint(), *report);
  }
}

void Exchange::on_reply_end() {
  begin_held_reply();
  end_reply(BodyState::ended);
}

void Exchange::end_reply(BodyState how) {
  if (!is_tunnel_) {
    timer_.cancel();  // nothing is left to wait for but the client
  }
  reply_body_.finish(how);
  client_->resume();
}

void Exchange::on_reply_complete(Attempt& attempt) {
  attempt.end(speaks_against_endpoint() ? AttemptOutcome::Kind::failure
                                        : AttemptOutcome::Kind::reply);
  stop_taking_request();
  if (client_ == nullptr) {
    finish();  // it was waited for with the last bytes of a tunnel
  }
}

bool Exchange::speaks_against_endpoint() const noexcept {
  return plan_.port->policy.endpoint_failures.has(reply_status_, grpc_status_);
}

void Exchange::drop_held_head_of(const Attempt& attempt) {
  if (held_ && held_->from == &attempt) {
    held_.reset();
  }
}

void Exchange::give_up(Attempt& attempt, AttemptOutcome::Kind unanswered) {
  drop_held_head_of(attempt);
  attempt.give_up(unanswered, AttemptOutcome::Kind::reply);
}

void Exchange::give_up_attempts() {
  leave_cluster();
  held_.reset();
  const auto answered = !reason_ && plan_.port != nullptr && speaks_against_endpoint()
                            ? AttemptOutcome::Kind::failure
                            : AttemptOutcome::Kind::reply;
  attempt_.give_up(blame_for_silence(attempt_), answered);
  if (hedge_) {
    hedge_->attempt.give_up(blame_for_silence(hedge_->attempt), answered);
  }
}

AttemptOutcome::Kind Exchange::blame_for_silence(const Attempt& attempt) const {
  // Time that has run out is the endpoint's fault if it had all of the request, and half of that
  // time; else it may have waited for its client, or have been the second to be asked.
  const TimePoint now = host_.loop().now();
  const bool has_run_out = reason_ == Errc::deadline_exceeded ||
                           reason_ == Errc::response_timeout || is_deadline_reached();
  return has_run_out && request_body_.is_finished() &&
                 now - attempt.began_at() >= (now - began_at_) / 2
             ? AttemptOutcome::Kind::failure
             : AttemptOutcome::Kind::silence;
}

}  // namespace router
