// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/exchange.hpp"

#include "router/cluster/hash_key.hpp"
#include "router/exchange/edit.hpp"
#include "router/exchange/grpc.hpp"
#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace router {

namespace {

/// Anything else would be an absolute target in HTTP/1.1, whose authority goes before the one that
/// was routed by (RFC 9112 section 3.2.2).
bool has_sound_path(const RequestHead& request) {
  return request.path.starts_with('/') || (request.path == "*" && request.method == "OPTIONS");
}

std::string why_no_endpoints(const Service& service, const ServicePort& port) {
  const std::string namespace_part =
      service.namespace_.empty() ? "" : fmt::format(".{}", service.namespace_);
  const std::string what = fmt::format("{}{}:{}", service.name, namespace_part, port.number);
  if (!service.external_name.empty()) {
    return fmt::format(
        "{}: DNS has no address for {} that may be used", what, service.external_name);
  }
  return port.only_local && port.endpoints_known > 0
             ? what + " has internalTrafficPolicy Local, and none on this node"
             : what;
}

}  // namespace

Exchange::Exchange(ExchangeHost& host,
                   ClientStream& client,
                   BufferShare& buffers,
                   RequestHead head,
                   bool end,
                   CallerProtocol protocol)
    : host_{host},
      client_{&client},
      protocol_{protocol},
      snapshot_{host.snapshot()},
      metrics_{&host.unresolved_metrics()},
      began_at_{host.loop().now()},
      request_{std::move(head)},
      counted_fields_{buffers},
      request_body_{buffers},
      reply_body_{buffers},
      attempt_{host.loop(), plan_, *this},
      active_at_{began_at_} {
  counted_fields_.set(request_.n_bytes);
  request_body_.keep_taken();
  if (end) {
    request_body_.finish(BodyState::ended);
  }
}

Exchange::~Exchange() {
  host_.loop().forget(*this);
}

void Exchange::begin() {
  if (refuse_at_once()) {
    count_request();
  } else {
    find_way();
  }
}

void Exchange::refuse(Errc reason, std::string_view detail) {
  fail(reason, detail);
  count_request();
}

void Exchange::find_way() {
  IdentifiedName identified;
  const auto name = identified.find(*snapshot_->identifiers, request_);
  const Caller caller = snapshot_->callers->find(client_->peer());
  if (must_wait_for(caller, name)) {
    if (!SnapshotWaiter::is_linked()) {
      host_.wait_for_snapshot(*this);
    }
    host_.loop().arm(timer_, began_at_ + kCallerWait);
    return;
  }
  timer_.cancel();
  const bool is_found = find_service(caller, name);
  count_request();
  if (is_found) {
    plan_.caller = CallerRequest::caller();
    find_deadline();
    arm_timer();
    if (!enter_cluster()) {
      return;
    }
    plan_.cluster->count_request();
    remove_identification(*snapshot_->identifiers, identified.consumed_bytes(), request_);
    edit_request(request_, host_.via_entry());
    plan_hedge();
    attempt_.start(AttemptKind::first);
  }
}

void Exchange::on_snapshot() {
  snapshot_ = host_.snapshot();
  find_way();
}

void Exchange::on_timer_due() {
  if (plan_.cluster == nullptr) {
    SnapshotWaiter::unlink();
    has_waited_for_caller_ = true;
    find_way();
    return;
  }
  if (client_ == nullptr) {
    host_.loop().metrics().hit(telemetry::Limit::write_stall);
    finish();  // a tunnel whose endpoint does not take the end of it
    return;
  }
  if (reason_) {
    cut_reply();  // its trailers wait behind what the client does not read
    return;
  }
  begin_held_reply();  // it has come, though the turn has not ended
  const TimePoint now = host_.loop().now();
  const Policy& policy = plan_.port->policy;
  if (plan_.deadline && now >= *plan_.deadline) {
    fail(Errc::deadline_exceeded, {});
  } else if (policy.response_start_timeout && !reply_has_begun_ &&
             now >= began_at_ + *policy.response_start_timeout) {
    fail(Errc::response_timeout, "it has not begun within timeout.responseStart");
  } else if (policy.idle_timeout && now >= active_at_ + *policy.idle_timeout) {
    fail(Errc::response_timeout, "nothing has passed for timeout.idle");
  } else {
    if (hedge_at_ && now >= *hedge_at_) {
      hedge_at_.reset();
      hedge();
    }
    arm_timer();
  }
}

TimePoint Exchange::reply_due() const noexcept {
  const TimePoint deadline = plan_.deadline.value_or(TimePoint::max());
  const auto& timeout = plan_.port->policy.response_start_timeout;
  return timeout ? std::min(deadline, began_at_ + *timeout) : deadline;
}

void Exchange::arm_timer() {
  const Policy& policy = plan_.port->policy;
  TimePoint next = reply_has_begun_ ? plan_.deadline.value_or(TimePoint::max()) : reply_due();
  if (policy.idle_timeout) {
    next = std::min(next, active_at_ + *policy.idle_timeout);
  }
  if (hedge_at_) {
    next = std::min(next, *hedge_at_);
  }
  if (next != TimePoint::max()) {
    host_.loop().arm(timer_, next);
  }
}

/// A pod may call before its status says which address is its own.
bool Exchange::must_wait_for(const Caller& caller, std::optional<std::string_view> name) const {
  return caller.may_become_known && !has_waited_for_caller_ &&
         (!caller.is_allowed || (name && is_short_name(*name)));
}

void Exchange::count_request() {
  if (!std::exchange(is_counted_, true)) {
    metrics_->requests.add();
    metrics_->streams_open.add();
  }
}

bool Exchange::refuse_at_once() {
  if (request_.is_too_large) {
    fail(Errc::headers_too_large, {});
  } else if (request_.method == "CONNECT" && request_.protocol.empty()) {
    fail(Errc::method_not_allowed, {});
  } else if (equals_ignoring_case(request_.protocol, "h2c")) {
    fail(Errc::method_not_allowed, "h2c is a switch of a connection, not a tunnel");
  } else if (!has_sound_path(request_)) {
    fail(Errc::bad_request, "the path must begin with /");
  } else if (has_looped(request_.fields, host_.via_entry().substr(kViaProtocol.size()))) {
    fail(Errc::loop, request_.authority);
  } else if (!snapshot_) {
    fail(Errc::not_ready, {});
  }
  return reason_.has_value();
}

bool Exchange::find_service(const Caller& caller, std::optional<std::string_view> name) {
  if (!caller.is_allowed) {
    fail(Errc::denied,
         fmt::format("{} is no pod of this node, and callers.allow does not name it",
                     client_->peer().to_string()));
    return false;
  }
  if (!name) {
    fail(Errc::bad_authority, "no identifier of the configuration applies to the request");
    return false;
  }
  const Resolution found =
      resolve(*snapshot_,
              *name,
              caller.pod != nullptr ? caller.pod->namespace_ : snapshot_->default_namespace,
              request_.is_grpc ? CallerProtocol::grpc : protocol_);
  if (found.port == nullptr) {
    fail(found.error, found.detail);
    return false;
  }
  plan_.port = found.port;
  plan_.named_endpoint = found.endpoint;
  plan_.hash_key = hash_key_of(plan_.port->policy, request_, caller, client_->peer());
  plan_.to_http1 =
      plan_.port->protocol == UpstreamProtocol::http1 ||
      (plan_.port->protocol == UpstreamProtocol::as_caller && protocol_ == CallerProtocol::http1);
  plan_.asks_for_tunnel = !request_.protocol.empty();
  plan_.needs_tunnel = request_.method == "CONNECT";
  plan_.cluster = &host_.cluster_of(*found.service, *plan_.port);
  metrics_ = &plan_.cluster->metrics();
  if (plan_.port->endpoints.empty() && !plan_.named_endpoint) {
    fail(Errc::no_endpoints, why_no_endpoints(*found.service, *plan_.port));
    return false;
  }
  if (request_.authority.empty() && !plan_.to_http1) {
    fail(Errc::bad_authority, "the endpoint speaks HTTP/2, and the request names no authority");
    return false;
  }
  return true;
}

void Exchange::find_deadline() {
  std::optional<Nanoseconds> limit = plan_.port->policy.request_timeout;
  if (const auto text = request_.fields.find("grpc-timeout"); text && request_.is_grpc) {
    if (const auto callers = parse_grpc_timeout(*text); callers) {
      limit = std::min(limit.value_or(*callers), *callers);
    }
  }
  if (limit) {
    plan_.deadline = began_at_ + *limit;
  }
}

bool Exchange::enter_cluster() {
  if (!plan_.deadline || plan_.named_endpoint || !plan_.port->policy.has_adaptive_limit) {
    return true;
  }
  if (!plan_.cluster->admit(plan_.caller)) {
    host_.loop().metrics().hit(telemetry::Limit::adaptive_concurrency);
    fail(Errc::overloaded, "calls have ended after their deadlines, so fewer are sent at a time");
    return false;
  }
  admitted_at_ = host_.loop().now();
  return true;
}

void Exchange::leave_cluster() {
  if (!admitted_at_) {
    return;
  }
  const TimePoint admitted_at = *std::exchange(admitted_at_, std::nullopt);
  const Nanoseconds took = host_.loop().now() - admitted_at;
  auto how = balancer::CallEnd::in_time;
  if (!reply_has_begun_) {
    how = is_deadline_reached() ? balancer::CallEnd::late : balancer::CallEnd::no_reply;
  } else if (took < (*plan_.deadline - admitted_at) / 10) {
    how = balancer::CallEnd::quick;
  }
  plan_.cluster->leave(plan_.caller, how, admitted_at);
}

bool Exchange::is_deadline_reached() const noexcept {
  return plan_.deadline &&
         host_.loop().now() + (*plan_.deadline - began_at_) / 20 >= *plan_.deadline;
}

void Exchange::on_request_data(std::span<const std::byte> bytes) {
  if (!request_is_wanted_) {
    client_->consumed(bytes.size());
    return;
  }
  active_at_ = host_.loop().now();
  request_body_.append(bytes);
  resume_attempts();
}

void Exchange::on_request_trailers(HeaderList trailers) {
  request_trailers_ = std::move(trailers);
  counted_fields_.add(size_of(request_trailers_));
  request_body_.finish(BodyState::trailers);
  resume_attempts();
}

void Exchange::on_request_end() {
  request_body_.finish(BodyState::ended);
  resume_attempts();
}

void Exchange::resume_attempts() {
  attempt_.resume();
  if (hedge_) {
    hedge_->attempt.resume();
  }
}

void Exchange::on_client_gone(Reset how) {
  client_ = nullptr;
  if (!reason_) {
    reason_ = how == Reset::protocol_error ? Errc::bad_request : Errc::client_cancelled;
  }
  finish();
}

void Exchange::on_reply_sent() {
  client_ = nullptr;
  timer_.cancel();
  if (is_tunnel_ && replying_->is_under_way()) {
    host_.loop().arm(timer_, host_.loop().now() + kTunnelGrace);
  } else {
    finish();
  }
}

Pulled Exchange::pull_reply(std::span<std::byte> into) {
  const Pulled pulled = reply_body_.take(reply_position_, into);
  if (reply_body_.newly_taken() > 0 && replying_ != nullptr) {
    replying_->consumed(reply_body_.newly_taken());
  }
  return pulled;
}

void Exchange::fail(Errc reason, std::string_view detail) {
  reason_ = reason;
  give_up_attempts();
  timer_.cancel();
  stop_taking_request();
  if (reply_has_begun_) {
    break_reply(reason, detail);
  } else {
    reply_locally(reason, detail);
  }
}

void Exchange::reply_locally(Errc reason, std::string_view detail) {
  LocalReply reply = make_local_reply(reason, detail, request_.is_grpc);
  reply_status_ = reply.head.status;
  reply_has_begun_ = true;
  head_at_ = host_.loop().now();
  const bool has_body = !reply.body.empty() && request_.method != "HEAD";
  if (has_body) {
    reply_body_.append(std::as_bytes(std::span{reply.body}));
  }
  reply_body_.finish(BodyState::ended);
  client_->send_head(std::move(reply.head), !has_body);
}

void Exchange::break_reply(Errc reason, std::string_view detail) {
  // The status of gRPC-Web is in the body.
  const bool has_grpc_trailers = request_.is_grpc && !is_grpc_web(request_.fields);
  if (has_grpc_trailers && client_->takes_trailers() && reply_framing_.is_between_messages() &&
      !reply_body_.is_finished()) {
    reply_trailers_ = make_error_trailers(reason, detail);
    counted_fields_.add(size_of(reply_trailers_));
    reply_body_.finish(BodyState::trailers);
    client_->resume();
    host_.loop().arm(timer_, host_.loop().now() + kTrailersGrace);
    return;
  }
  cut_reply();
}

void Exchange::cut_reply() {
  std::exchange(client_, nullptr)->reset(Reset::internal_error);
  finish();
}

void Exchange::stop_taking_request() {
  request_is_wanted_ = false;
  const std::size_t n_bytes = request_body_.discard();
  if (n_bytes > 0 && client_ != nullptr) {
    client_->consumed(n_bytes);
  }
}

void Exchange::finish() {
  if (std::exchange(is_over_, true)) {
    return;
  }
  // Whatever is left of the attempts is not wanted: the reply is complete, or nobody is there to
  // take it.
  give_up_attempts();
  timer_.cancel();
  SnapshotWaiter::unlink();
  counted_fields_.set(0);  // at once: its caller's share is told at the end of this turn
  leave_caller();
  count_request();
  telemetry::ResponseKey key;
  static const ReplyClass unresolved = default_successes();
  const ReplyClass& successes = plan_.port != nullptr ? plan_.port->policy.successes : unresolved;
  if (request_.is_grpc && reply_status_ == 200 && !grpc_status_ && !is_grpc_web(request_.fields)) {
    grpc_status_ = kGrpcUnknown;
  }
  key.success = successes.has(reply_status_, grpc_status_);
  if (reason_) {
    const Verdict& verdict = verdict_of(*reason_);
    key.reason = static_cast<std::uint8_t>(*reason_);
    grpc_status_ = request_.is_grpc ? std::optional{verdict.grpc_status} : std::nullopt;
    key.success = successes.has(verdict.http_status, grpc_status_);
  }
  key.grpc_status = grpc_status_.value_or(telemetry::ResponseKey::kNoGrpcStatus);
  key.http_class = static_cast<std::uint8_t>(reply_status_ / 100);  // 0 if no head was sent
  const TimePoint now = host_.loop().now();
  metrics_->streams_open.subtract();
  metrics_->add_response(key, head_at_ ? *head_at_ - began_at_ : Nanoseconds{0}, now - began_at_);
  host_.on_exchange_over(*this);
}

}  // namespace router
