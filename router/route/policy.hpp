// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/route/reply_class.hpp"

#include <chrono>
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

/// How the requests for one Service port are treated: the defaults of the configuration with the
/// Service's own values laid over them. Plain value, part of a Snapshot.
///
/// This is the one table of the defaults; docs/configuration.md shows it with the ranges.
struct Policy {
  BalancerKind balancer = BalancerKind::peak_ewma;
  /// Time in which a latency estimate left alone falls to 37 %: long enough to remember a slow pod
  /// between its requests, short enough to try it again within a minute. linkerd2-proxy's.
  Nanoseconds decay = std::chrono::seconds{10};
  /// What `ring_hash` and `maglev` go by. The caller: every request has one.
  HashOn hash_on{};
  /// How much of an even share of the requests in flight an endpoint may have under these: 125 % is
  /// what the paper shows to be bound to few detours (balancer/README.md).
  std::uint32_t load_bound_percent = 125;
  /// For TCP and, with HTTP/2, the peer's first SETTINGS. Within a cluster this takes a
  /// millisecond; a second leaves room for one lost SYN and still lets another pod be tried.
  Nanoseconds connect_timeout = std::chrono::seconds{1};
  /// From the request's head to its end. None: callers know their deadlines (`grpc-timeout`), and
  /// streams have no natural end.
  std::optional<Nanoseconds> request_timeout = std::nullopt;
  /// Waiting for an endpoint, per worker: about a second's worth of a busy Service.
  std::uint32_t queue_requests = 1000;
  /// Longest wait for a usable endpoint: two connection attempts and a little. Also for news of
  /// others where all are gone.
  Nanoseconds queue_timeout = std::chrono::seconds{3};
  /// Whether calls with a deadline are refused while others like them end late
  /// (balancer::AdaptiveLimit): pods that are overloaded answer as many as they can, rather than
  /// all too late.
  bool has_adaptive_limit = true;
  EjectionPolicy ejection;
  ReplyClass successes = default_successes();  ///< in metrics and `nodeway stat`
  /// Replies that speak against their endpoint, beside resets and failed connects.
  ReplyClass endpoint_failures = default_endpoint_failures();
  /// Overrides what the Service's port says of itself.
  std::optional<UpstreamProtocol> upstream_protocol = std::nullopt;

  friend bool operator==(const Policy&, const Policy&) = default;
};

}  // namespace router
