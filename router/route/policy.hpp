// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/route/reply_class.hpp"

#include <bitset>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace router {

using Nanoseconds = std::chrono::nanoseconds;

/// How an endpoint is chosen for each request; balancer/README.md tells what each is for.
enum class BalancerKind : std::uint8_t {
  peak_ewma,
  least_request,
  round_robin,
  random,
  ring_hash,
  maglev,
};

/// The part of a request that decides where it goes, under a policy that goes by a hash.
struct HashOn {
  enum class Part : std::uint8_t {
    header,     ///< of the name `name`, in lower case; its first value
    cookie,     ///< of the name `name`
    path,       ///< without the query
    caller_ip,  ///< address of the client's connection
    caller_pod,
  };
  Part part = Part::caller_pod;
  std::string name{};

  friend bool operator==(const HashOn&, const HashOn&) = default;
};

/// Protocol spoken to the pods of a Service port.
enum class UpstreamProtocol : std::uint8_t {
  as_caller,  ///< what the caller speaks: nothing says otherwise
  h2c,
  http1,
  tls,  ///< the port wants TLS (`https`, `wss`), which is not spoken yet: requests get
        ///< `unknown_port`
};

/// When an endpoint is ejected: taken out of the choice for a while. balancer/outlier.hpp tells the
/// rules.
struct EjectionPolicy {
  /// Endpoint failures in a row; 0: they eject nobody. linkerd2's default is 7, gRFC A50 has none:
  /// five are no accident, and at 167 requests a second they come in 30 ms.
  std::uint32_t consecutive = 5;
  /// Of the first ejection; each further one lasts twice as long. linkerd2's, both of them.
  Nanoseconds min_penalty = std::chrono::seconds{1};
  Nanoseconds max_penalty = std::chrono::seconds{60};
  /// Of the Service's endpoints, at a time: half of them may be ill, more of them are a Service
  /// that is.
  std::uint32_t max_percent = 50;
  /// With a smaller part of the endpoints left all of them are used: a fifth cannot carry the load
  /// of all. 0: never, then `all_ejected` is possible.
  std::uint32_t panic_percent = 20;
  /// Whether to eject endpoints that fail more often than the others (gRFC A50).
  bool by_success_rate = true;
  /// An endpoint that is so many times as slow as the others is ejected; 0: none is. Pods on slow
  /// nodes differ by two, not by five.
  std::uint32_t latency_factor = 5;

  friend bool operator==(const EjectionPolicy&, const EjectionPolicy&) = default;
};

/// What a reply, or the lack of one, must be for the request to be sent once more.
///
/// A gRPC status is that of the reply's head (a trailers-only reply), or of trailers that come with
/// it and nothing in between; whatever comes later has reached the client already.
enum class RetryCondition : std::uint8_t {
  reset,    ///< the stream was reset, or the connection broke
  timeout,  ///< `timeout.perTry` has passed
  grpc_cancelled,
  grpc_unknown,
  grpc_deadline_exceeded,
  grpc_resource_exhausted,
  grpc_aborted,
  grpc_internal,
  grpc_unavailable,
  grpc_data_loss,
  http_429,
  http_500,
  http_502,
  http_503,
  http_504,
};
inline constexpr std::size_t kRetryConditions = 15;
using RetryConditions = std::bitset<kRetryConditions>;

/// docs/configuration.md, `retries.conditions`; what else is worth repeating only the application
/// knows.
[[nodiscard]] RetryConditions default_retry_conditions() noexcept;
/// The condition that a reply of this status is, if it is one.
[[nodiscard]] std::optional<RetryCondition> retry_condition(
    std::uint16_t http_status, std::optional<std::uint8_t> grpc_status) noexcept;

/// When a second request is sent while the first has no reply yet.
enum class Hedging : std::uint8_t {
  none,
  fixed,  ///< after `RetryPolicy::hedging_delay`
  p95,    ///< when the first has taken longer than 95 of 100 do
};

inline constexpr std::uint32_t kMaxRetries = 5;  ///< that can be configured, for one request

/// How many retries there may be; balancer/retry_budget.hpp tells the rule.
struct RetryBudgetPolicy {
  /// Where everything fails, retries add a fifth to the load, not as much again. linkerd2's, all
  /// three.
  double ratio = 0.2;
  std::uint32_t min_per_second = 10;
  Nanoseconds window = std::chrono::seconds{10};

  friend bool operator==(const RetryBudgetPolicy&, const RetryBudgetPolicy&) = default;
};

/// Whether and how requests are sent again that may have reached an application.
struct RetryPolicy {
  /// Further requests for one, hedges among them. linkerd2's and Envoy's; a second retry seldom
  /// finds what the first did not.
  std::uint32_t limit = 1;
  /// Whether any request may be repeated: gRPC and POST say nothing of that themselves.
  bool idempotent = false;
  RetryConditions conditions = default_retry_conditions();
  RetryBudgetPolicy budget;
  /// Costs load, so it is asked for; needs `idempotent`.
  Hedging hedging = Hedging::none;
  Nanoseconds hedging_delay{};

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

/// How the requests for one Service port are treated: the defaults of the configuration with the
/// Service's own values laid over them. Plain value, part of a Snapshot.
///
/// This is the one table of the defaults; docs/configuration.md shows it with the ranges. Large
/// fields come first, so that little is lost between them.
struct Policy {
  /// Time in which a latency estimate left alone falls to 37 %: long enough to remember a slow pod
  /// between its requests, short enough to try it again within a minute. linkerd2-proxy's.
  Nanoseconds decay = std::chrono::seconds{10};
  /// For so long an endpoint that has come gets less than its share, but under the policies that go
  /// by a hash. 0: it gets its share at once, since most endpoints are ready when they say so.
  Nanoseconds slow_start{0};
  /// For TCP and, with HTTP/2, the peer's first SETTINGS. Within a cluster this takes a
  /// millisecond; a second leaves room for one lost SYN and still lets another pod be tried.
  Nanoseconds connect_timeout = std::chrono::seconds{1};
  /// Longest wait for a usable endpoint: two connection attempts and a little. Also for news of
  /// others where all are gone.
  Nanoseconds queue_timeout = std::chrono::seconds{3};
  /// From the request's head to its end. None: callers know their deadlines (`grpc-timeout`), and
  /// streams have no natural end.
  std::optional<Nanoseconds> request_timeout = std::nullopt;
  /// From the request's head to the reply's, over all attempts. None, as for `request_timeout`.
  std::optional<Nanoseconds> response_start_timeout = std::nullopt;
  /// From the request's last byte on its way to an endpoint to the reply's head: then this attempt
  /// is given up, and another may follow.
  std::optional<Nanoseconds> per_try_timeout = std::nullopt;
  /// Without a byte of either body. None: streams may be silent for hours.
  std::optional<Nanoseconds> idle_timeout = std::nullopt;
  /// Of a connection to an endpoint: then it takes no new streams, and closes when its own have
  /// ended. None: endpoints come and go by the slices, and whoever wants their connections gone
  /// says GOAWAY.
  std::optional<Nanoseconds> connection_age = std::nullopt;
  /// What `ring_hash` and `maglev` go by. The caller: every request has one.
  HashOn hash_on{};
  EjectionPolicy ejection;
  RetryPolicy retries;
  ReplyClass successes = default_successes();  ///< in metrics and `nodeway stat`
  /// Replies that speak against their endpoint, beside resets and failed connects.
  ReplyClass endpoint_failures = default_endpoint_failures();
  /// How much of an even share of the requests in flight an endpoint may have under these: 125 % is
  /// what the paper shows to be bound to few detours (balancer/README.md).
  std::uint32_t load_bound_percent = 125;
  /// Of the endpoints; the same ones each time on this node. 0: all of them are used, since a node
  /// seldom has requests for so many that their connections weigh.
  std::uint32_t subset_size = 0;
  /// Requests in flight from this node for each endpoint of the own zone, where Kubernetes names
  /// such endpoints to this node: further ones go to other zones' endpoints. 0: none does, whatever
  /// the load, as with kube-proxy.
  std::uint32_t zone_spill_over = 0;
  /// Waiting for an endpoint, on all workers: about a second's worth of a busy Service.
  std::uint32_t queue_requests = 1000;
  /// Requests that may be with the endpoints at a time, of all workers; the others wait. 0: as many
  /// as come, since nobody but its owner knows what a Service can take.
  std::uint32_t concurrency_limit = 0;
  /// The same for each endpoint.
  std::uint32_t endpoint_limit = 0;
  BalancerKind balancer = BalancerKind::peak_ewma;
  /// Whether calls with a deadline are refused while others like them end late
  /// (balancer::AdaptiveLimit): pods that are overloaded answer as many as they can, rather than
  /// all too late.
  bool has_adaptive_limit = true;
  /// Overrides what the Service's port says of itself.
  std::optional<UpstreamProtocol> upstream_protocol = std::nullopt;

  friend bool operator==(const Policy&, const Policy&) = default;
};

}  // namespace router
