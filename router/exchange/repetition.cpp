// SPDX-License-Identifier: Apache-2.0
// The part of an exchange that decides what is sent again: re-picks, retries, hedges.
#include "router/exchange/exchange.hpp"

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
    if (failure.sent == Sent::no) {
      --n_retries_;  // of the two requests one has never been there
    }
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

bool Exchange::may_repeat_by_trailers(const Attempt& attempt) {
  const RetryPolicy& policy = plan_.port->policy.retries;
  return request_.is_grpc && policy.idempotent &&
         (rival_of(attempt) != nullptr ||
          (n_retries_ < policy.limit && request_body_.is_repeatable()));
}

bool Exchange::retry(Attempt& attempt, RetryCondition why) {
  const auto pause = may_retry(why) ? take_retry({}, std::nullopt) : std::nullopt;
  if (pause) {
    attempt.start_retry(*pause);
  }
  return pause.has_value();
}

std::optional<Nanoseconds> Exchange::take_retry(const Pushback& pushback,
                                                std::optional<Nanoseconds> asked) {
  const Nanoseconds spared = plan_.named_endpoint ? asked.value_or(Nanoseconds{0})
                                                  : plan_.cluster->pause_before_retry(plan_.tried);
  const Nanoseconds pause =
      pushback.pause.value_or(spared + plan_.cluster->retry_timing().pause_before(n_retries_ + 1));
  // A request waits no longer than that for an endpoint, whatever keeps it from one.
  const bool is_too_long = !pushback.pause && spared > plan_.port->policy.queue_timeout;
  is_repeating_forbidden_ = is_repeating_forbidden_ || is_too_long;
  if (!may_repeat_now(pause)) {
    return std::nullopt;
  }
  ++n_retries_;
  plan_.cluster->count_retry();
  metrics_->retries.add();
  hedge_at_.reset();  // it has its second attempt
  return pause;
}

bool Exchange::may_repeat_now(Nanoseconds pause) {
  using telemetry::RetryRefusal;
  std::optional<RetryRefusal> refusal;
  if (n_retries_ >= plan_.port->policy.retries.limit) {
    refusal = RetryRefusal::limit;
  } else if (!request_body_.is_repeatable()) {
    refusal = RetryRefusal::body;
  } else if (is_repeating_forbidden_) {
    refusal = RetryRefusal::pushback;
  } else if (host_.loop().now() + pause >= reply_due()) {
    refusal = RetryRefusal::deadline;
  } else if (!plan_.cluster->has_retry_budget()) {
    refusal = RetryRefusal::budget;
  }
  if (refusal) {
    metrics_->retries_refused[static_cast<std::size_t>(*refusal)].add();
  }
  return !refusal;
}

bool Exchange::retry_instead(Attempt& attempt,
                             std::uint16_t status,
                             std::optional<std::uint8_t> grpc_status,
                             const HeaderList& fields) {
  if (reply_has_begun_) {
    return false;
  }
  const std::optional<RetryCondition> why = retry_condition(status, grpc_status);
  const bool is_retryable = why && may_retry(*why);
  const bool is_failure = plan_.port->policy.endpoint_failures.has(status, grpc_status);
  const bool has_rival = rival_of(attempt) != nullptr;
  if (!is_retryable && !(is_failure && has_rival)) {
    return false;
  }
  const Pushback pushback = pushback_of(fields);
  is_repeating_forbidden_ = is_repeating_forbidden_ || pushback.forbids_retry;
  const auto asked = is_failure ? asked_pause(fields) : std::nullopt;
  if (asked) {
    plan_.cluster->leave_alone(attempt.endpoint(), *asked);
  }
  const auto pause = has_rival ? std::nullopt : take_retry(pushback, asked);
  if (!has_rival && !pause) {
    return false;
  }
  give_up(attempt, is_failure ? AttemptOutcome::Kind::failure : AttemptOutcome::Kind::reply);
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
  hedge_at_.reset();
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
  if (reply_has_begun_ || !attempt_.is_under_way() || !may_repeat_now(Nanoseconds{0})) {
    return;
  }
  if (!hedge_) {
    counted_fields_.add(request_.n_bytes);  // of its copy
  }
  AttemptEvents& self = *this;
  hedge_ = std::make_unique<Hedge>(host_.loop(), plan_, self);
  hedge_->head = copy_of(request_);
  ++n_retries_;
  hedge_->attempt.start(AttemptKind::hedge);
  if (hedge_->attempt.is_under_way()) {
    plan_.cluster->count_retry();
    metrics_->hedges.add();
  } else {
    --n_retries_;
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
