// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/exchange.hpp"

#include "router/cluster/hash_key.hpp"
#include "router/exchange/edit.hpp"
#include "router/exchange/grpc.hpp"

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

Exchange::Exchange(
    ExchangeHost& host, ClientStream& client, RequestHead head, bool end, CallerProtocol protocol)
    : host_{host},
      client_{&client},
      protocol_{protocol},
      snapshot_{host.snapshot()},
      metrics_{&host.unresolved_metrics()},
      began_at_{host.loop().now()},
      request_{std::move(head)} {
  request_body_.keep_taken();
  if (end) {
    request_body_.finish(BodyState::ended);
  }
}

Exchange::~Exchange() = default;

void Exchange::begin() {
  if (refuse_at_once()) {
    count_request();
  } else {
    find_way();
  }
}

void Exchange::find_way() {
  IdentifiedName identified;
  const auto name = identified.find(*snapshot_->identifiers, request_);
  const Caller caller = snapshot_->callers->find(client_->peer());
  if (must_wait_for(caller, name)) {
    if (!SnapshotWaiter::is_linked()) {
      host_.wait_for_snapshot(*this);
    }
    host_.loop().arm(wait_timer_, began_at_ + kCallerWait);
    return;
  }
  wait_timer_.cancel();
  const bool is_found = find_service(caller, name);
  count_request();
  if (is_found) {
    arm_deadline();
    if (!enter_cluster()) {
      return;
    }
    remove_identification(*snapshot_->identifiers, identified.consumed_bytes(), request_);
    edit_request(request_, host_.via_entry());
    try_endpoint();
  }
}

void Exchange::on_snapshot() {
  snapshot_ = host_.snapshot();
  find_way();
}

void Exchange::on_wait_over() {
  if (attempt_ == AttemptState::none) {
    SnapshotWaiter::unlink();
    has_waited_for_caller_ = true;
    find_way();
  } else {
    fail(attempt_ == AttemptState::stranded ? last_failure_ : Errc::queue_timeout, {});
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
  } else if (request_.method == "CONNECT") {
    fail(Errc::method_not_allowed, {});
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
  port_ = found.port;
  named_endpoint_ = found.endpoint;
  hash_key_ = hash_key_of(port_->policy, request_, caller, client_->peer());
  cluster_ = &host_.cluster_of(*found.service, *port_);
  metrics_ = &cluster_->metrics();
  if (port_->endpoints.empty() && !named_endpoint_) {
    fail(Errc::no_endpoints, why_no_endpoints(*found.service, *port_));
    return false;
  }
  return true;
}

void Exchange::arm_deadline() {
  std::optional<Nanoseconds> limit = port_->policy.request_timeout;
  if (const auto text = request_.fields.find("grpc-timeout"); text && request_.is_grpc) {
    if (const auto callers = parse_grpc_timeout(*text); callers) {
      limit = std::min(limit.value_or(*callers), *callers);
    }
  }
  if (limit) {
    deadline_ = began_at_ + *limit;
    host_.loop().arm(deadline_timer_, *deadline_);
  }
}

bool Exchange::enter_cluster() {
  if (!deadline_ || named_endpoint_ || !port_->policy.has_adaptive_limit) {
    return true;
  }
  if (!cluster_->admit()) {
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
  // A caller's own clock may be a little ahead of ours.
  const TimePoint now = host_.loop().now();
  const bool is_late = !reply_has_begun_ && now + (*deadline_ - began_at_) / 20 >= *deadline_;
  cluster_->leave(is_late, *std::exchange(admitted_at_, std::nullopt));
}

ClusterEndpoint* Exchange::choose_endpoint() {
  if (!named_endpoint_) {
    return cluster_->acquire(tried_, hash_key_);
  }
  return tried_.empty() ? &cluster_->acquire_at(*named_endpoint_) : nullptr;
}

void Exchange::try_endpoint() {
  endpoint_ = choose_endpoint();
  if (endpoint_ == nullptr) {
    wait_for_endpoint();
    return;
  }
  if (!tried_.empty()) {
    metrics_->repicks.add();
  }
  tried_.push_back(endpoint_->id());
  attempt_ = AttemptState::queued;
  attempt_at_ = host_.loop().now();
  const bool is_http1 =
      port_->protocol == UpstreamProtocol::http1 ||
      (port_->protocol == UpstreamProtocol::as_caller && protocol_ == CallerProtocol::http1);
  ++cluster_->waiting;
  endpoint_->pool(is_http1).acquire(*this,
                                    std::min(wait_end(), deadline_.value_or(TimePoint::max())));
  if (attempt_ == AttemptState::queued) {
    bound_wait();
  }
}

void Exchange::wait_for_endpoint() {
  if (tried_.empty() && !named_endpoint_ && cluster_->has_endpoints()) {
    fail(Errc::all_ejected, "ejection.panicPercent is 0");
    return;
  }
  // A pod that was named has no substitute.
  if (tried_.empty() || named_endpoint_ || !cluster_->wait_for_others(*this)) {
    fail(last_failure_, {});
    return;
  }
  attempt_ = AttemptState::stranded;
  attempt_at_ = host_.loop().now();
  ++cluster_->waiting;
  bound_wait();
}

void Exchange::bound_wait() {
  if (cluster_->waiting > port_->policy.queue_requests) {
    host_.loop().metrics().hit(telemetry::Limit::queue_requests);
    fail(Errc::overloaded, {});
  } else {
    host_.loop().arm(wait_timer_, wait_end());
  }
}

TimePoint Exchange::wait_end() const noexcept {
  // The wait is bounded over all endpoints tried; the time that they had the request is no wait.
  return attempt_at_ + port_->policy.queue_timeout - queued_for_;
}

void Exchange::on_deadline() {
  if (reason_) {
    cut_reply();  // its trailers wait behind what the client does not read
  } else {
    fail(Errc::deadline_exceeded, {});
  }
}

void Exchange::on_request_data(std::span<const std::byte> bytes) {
  if (!request_is_wanted_) {
    client_->consumed(bytes.size());
    return;
  }
  request_body_.append(bytes);
  if (upstream_ != nullptr) {
    upstream_->resume();
  }
}

void Exchange::on_request_trailers(HeaderList trailers) {
  request_trailers_ = std::move(trailers);
  request_body_.finish(BodyState::trailers);
  if (upstream_ != nullptr) {
    upstream_->resume();
  }
}

void Exchange::on_request_end() {
  request_body_.finish(BodyState::ended);
  if (upstream_ != nullptr) {
    upstream_->resume();
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
  finish();
}

Pulled Exchange::pull_reply(std::span<std::byte> into) {
  const Pulled pulled = reply_body_.take(into);
  if (upstream_ != nullptr && reply_body_.newly_taken() > 0) {
    upstream_->consumed(reply_body_.newly_taken());
  }
  return pulled;
}

void Exchange::fail(Errc reason, std::string_view detail) {
  reason_ = reason;
  give_up_attempt();
  deadline_timer_.cancel();
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
  if (request_.is_grpc && client_->takes_trailers() && reply_framing_.is_between_messages() &&
      !reply_body_.is_finished()) {
    reply_trailers_ = make_error_trailers(reason, detail);
    reply_body_.finish(BodyState::trailers);
    client_->resume();
    host_.loop().arm(deadline_timer_, host_.loop().now() + kTrailersGrace);
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
  // Whatever is left of the attempt is not wanted: the reply is complete, or nobody is there to
  // take it.
  give_up_attempt();
  deadline_timer_.cancel();
  wait_timer_.cancel();
  SnapshotWaiter::unlink();
  count_request();
  telemetry::ResponseKey key;
  static const ReplyClass unresolved = default_successes();
  const ReplyClass& successes = port_ != nullptr ? port_->policy.successes : unresolved;
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
