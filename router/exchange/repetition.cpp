// SPDX-License-Identifier: Apache-2.0
// The part of an exchange that decides what is sent again: re-picks, retries, hedges.
#include "router/exchange/edit.hpp"
#include "router/exchange/exchange.hpp"
#include "router/exchange/grpc.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace router {
namespace {

/// Source: gRFC A6, "Exposed Retry Metadata".
constexpr std::string_view kPreviousAttempts = "grpc-previous-rpc-attempts";
/// Of a number that a client made up.
constexpr std::uint32_t kMostAttemptsBefore = 1'000'000;

/// Source: RFC 9110, section 9.2.2.
constexpr std::array<std::string_view, 6> kIdempotentMethods{
    "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

bool is_idempotent(std::string_view method) {
  return std::find(kIdempotentMethods.begin(), kIdempotentMethods.end(), method) !=
         kIdempotentMethods.end();
}

RetryCondition condition_of(Errc failure) {
  return failure == Errc::response_timeout ? RetryCondition::timeout : RetryCondition::reset;
}

}  // namespace

void Exchange::on_attempt_lost(Attempt& attempt, AttemptFailure failure) {
  drop_held_head_of(attempt);
  if (client_ == nullptr) {
    finish();  // it was waited for with the last bytes of a tunnel
    return;
  }
  if (rival_of(attempt) != nullptr) {
    return;
  }
  if (!reply_has_begun_ &&
      (failure.sent == Sent::no ? repick(attempt) : retry(attempt, condition_of(failure.reason)))) {
    return;
  }
  fail(failure.reason, {});
}

void Exchange::on_no_endpoint(Attempt& attempt, Errc reason, std::string_view detail) {
  if (rival_of(attempt) != nullptr) {
    attempt.give_up(AttemptOutcome::Kind::unsent, AttemptOutcome::Kind::unsent);
  } else {
    fail(reason, detail);
  }
}

bool Exchange::repick(Attempt& attempt) {
  if (!request_body_.is_repeatable()) {
    return false;
  }
  if (plan_.n_repicks >= kMaxRepicks) {
    host_.loop().metrics().hit(telemetry::Limit::repicks);
    return false;
  }
  attempt.start(AttemptKind::repick);
  return true;
}

bool Exchange::may_retry(RetryCondition why) const {
  const RetryPolicy& policy = plan_.port->policy.retries;
  return policy.conditions[static_cast<std::size_t>(why)] && request_.protocol.empty() &&
         (policy.idempotent || is_idempotent(request_.method));
}

bool Exchange::may_retry_by_trailers() const {
  const RetryPolicy& policy = plan_.port->policy.retries;
  return request_.is_grpc && policy.idempotent && n_retries_ < policy.limit &&
         request_body_.is_repeatable();
}

bool Exchange::retry(Attempt& attempt, RetryCondition why) {
  const auto pause = may_retry(why) ? take_retry({}) : std::nullopt;
  if (pause) {
    attempt.start_retry(*pause);
  }
  return pause.has_value();
}

std::optional<Nanoseconds> Exchange::take_retry(const Pushback& pushback) {
  const Nanoseconds pause =
      pushback.pause.value_or(plan_.cluster->retry_timing().pause_before(n_retries_ + 1));
  if (const auto refusal = why_no_retry(pushback, pause)) {
    metrics_->retries_refused[static_cast<std::size_t>(*refusal)].add();
    return std::nullopt;
  }
  ++n_retries_;
  metrics_->retries.add();
  return pause;
}

std::optional<telemetry::RetryRefusal> Exchange::why_no_retry(const Pushback& pushback,
                                                              Nanoseconds pause) const {
  using telemetry::RetryRefusal;
  const TimePoint now = host_.loop().now();
  if (n_retries_ >= plan_.port->policy.retries.limit) {
    return RetryRefusal::limit;
  }
  if (!request_body_.is_repeatable()) {
    return RetryRefusal::body;
  }
  if (pushback.forbids_retry) {
    return RetryRefusal::pushback;
  }
  if (plan_.deadline && now + pause >= *plan_.deadline) {
    return RetryRefusal::deadline;
  }
  return plan_.cluster->take_retry() ? std::nullopt : std::optional{RetryRefusal::budget};
}

bool Exchange::retry_instead(Attempt& attempt,
                             std::uint16_t status,
                             std::optional<std::uint8_t> grpc_status,
                             const HeaderList& fields) {
  const std::optional<RetryCondition> why = retry_condition(status, grpc_status);
  if (!why || reply_has_begun_ || !may_retry(*why)) {
    return false;
  }
  const bool has_rival = rival_of(attempt) != nullptr;
  const auto pause = has_rival ? std::nullopt : take_retry(pushback_of(fields));
  if (!has_rival && !pause) {
    return false;
  }
  drop_held_head_of(attempt);
  attempt.note_asked_pause(asked_pause(fields));
  attempt.give_up(plan_.port->policy.endpoint_failures.has(status, grpc_status)
                      ? AttemptOutcome::Kind::failure
                      : AttemptOutcome::Kind::reply,
                  AttemptOutcome::Kind::reply);
  if (pause) {
    attempt.start_retry(*pause);
  }
  return true;
}

void Exchange::count_attempts_in(RequestHead& head) {
  if (!head.is_grpc || n_retries_ == 0) {
    return;
  }
  if (!attempts_before_) {
    const std::string_view theirs = request_.fields.find(kPreviousAttempts).value_or("0");
    std::uint32_t n_before = 0;
    std::from_chars(theirs.data(), theirs.data() + theirs.size(), n_before);
    attempts_before_ = std::min(n_before, kMostAttemptsBefore);
  }
  head.fields.remove(kPreviousAttempts);
  head.fields.add_copy(kPreviousAttempts, fmt::format_int{*attempts_before_ + n_retries_}.str());
}

void Exchange::plan_hedge() {
  const RetryPolicy& policy = plan_.port->policy.retries;
  if (policy.hedging == Hedging::none || !policy.idempotent || n_retries_ >= policy.limit ||
      plan_.named_endpoint || hedge_ || !request_.protocol.empty()) {
    return;
  }
  if (const auto delay = plan_.cluster->retry_timing().hedging_delay()) {
    hedge_at_ = host_.loop().now() + *delay;
    arm_timer();
  }
}

void Exchange::hedge() {
  if (reply_has_begun_ || held_head_ || !attempt_.is_under_way()) {
    return;
  }
  if (const auto refusal = why_no_retry({}, Nanoseconds{0})) {
    metrics_->retries_refused[static_cast<std::size_t>(*refusal)].add();
    return;
  }
  ++n_retries_;
  metrics_->hedges.add();
  AttemptEvents& self = *this;
  hedge_ = std::make_unique<Hedge>(host_.loop(), plan_, self);
  hedge_->head = copy_of(request_);
  hedge_->attempt.start(AttemptKind::hedge);
}

void Exchange::drop_held_head_of(const Attempt& attempt) {
  if (held_from_ == &attempt) {
    held_head_.reset();
  }
}

Attempt* Exchange::rival_of(const Attempt& attempt) {
  if (!hedge_) {
    return nullptr;
  }
  Attempt& other = &attempt == &attempt_ ? hedge_->attempt : attempt_;
  return other.is_under_way() ? &other : nullptr;
}

}  // namespace router
