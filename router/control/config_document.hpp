// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/endpoint_weights.hpp"
#include "router/resolve/callers.hpp"
#include "router/resolve/identifier.hpp"
#include "router/route/policy.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace router::control {

/// What one level of the configuration says of an `EjectionPolicy`.
struct EjectionOverrides {
  std::optional<std::uint32_t> consecutive = std::nullopt;
  std::optional<Nanoseconds> min_penalty = std::nullopt;
  std::optional<Nanoseconds> max_penalty = std::nullopt;
  std::optional<std::uint32_t> max_percent = std::nullopt;
  std::optional<std::uint32_t> panic_percent = std::nullopt;
  std::optional<bool> by_success_rate = std::nullopt;
  std::optional<std::uint32_t> latency_factor = std::nullopt;

  bool operator==(const EjectionOverrides&) const = default;
};

/// What one level of the configuration says of a `ReplyClass`: one of its two lists may come from a
/// wider level.
struct ReplyClassOverrides {
  std::optional<ReplyClass::GrpcStatuses> grpc = std::nullopt;
  std::optional<ReplyClass::HttpStatuses> http = std::nullopt;

  bool operator==(const ReplyClassOverrides&) const = default;
};

/// What one level of the configuration says of a `RetryPolicy`.
struct RetryOverrides {
  /// `hedgingDelay`, whose value says both.
  struct HedgingOverride {
    Hedging when = Hedging::none;
    Nanoseconds delay{};

    bool operator==(const HedgingOverride&) const = default;
  };
  std::optional<std::uint32_t> limit = std::nullopt;
  std::optional<bool> idempotent = std::nullopt;
  std::optional<RetryConditions> conditions = std::nullopt;
  std::optional<double> budget_ratio = std::nullopt;
  std::optional<std::uint32_t> budget_min_per_second = std::nullopt;
  std::optional<Nanoseconds> budget_window = std::nullopt;
  std::optional<HedgingOverride> hedging = std::nullopt;

  bool operator==(const RetryOverrides&) const = default;
};

/// What one level of the configuration says of the weights of endpoints.
struct WeightOverrides {
  std::optional<WeightsByName> zones = std::nullopt;
  std::optional<WeightsByName> nodes = std::nullopt;
  std::optional<WeightsByName> hostnames = std::nullopt;

  bool operator==(const WeightOverrides&) const = default;

  /// Lays what is said here over `weights`, which borrow it.
  void apply_to(EndpointWeights& weights) const;
};

/// What one level of the configuration says of a policy; what it leaves out, the next wider level
/// decides.
struct PolicyOverrides {
  std::optional<BalancerKind> balancer = std::nullopt;
  std::optional<Nanoseconds> decay = std::nullopt;
  std::optional<HashOn> hash_on = std::nullopt;
  std::optional<std::uint32_t> load_bound_percent = std::nullopt;
  std::optional<Nanoseconds> slow_start = std::nullopt;
  std::optional<std::uint32_t> subset_size = std::nullopt;
  WeightOverrides weights = {};  ///< which are the endpoints', not the Policy's
  std::optional<std::uint32_t> zone_spill_over = std::nullopt;
  std::optional<Nanoseconds> connect_timeout = std::nullopt;
  // 0: none, also where a wider level has one.
  std::optional<Nanoseconds> request_timeout = std::nullopt;
  std::optional<Nanoseconds> response_start_timeout = std::nullopt;
  std::optional<Nanoseconds> per_try_timeout = std::nullopt;
  std::optional<Nanoseconds> idle_timeout = std::nullopt;
  std::optional<Nanoseconds> connection_age = std::nullopt;
  RetryOverrides retries = {};
  std::optional<std::uint32_t> queue_requests = std::nullopt;
  std::optional<Nanoseconds> queue_timeout = std::nullopt;
  std::optional<bool> has_adaptive_limit = std::nullopt;
  std::optional<std::uint32_t> concurrency_limit = std::nullopt;  ///< 0 where there is another one
  std::optional<std::uint32_t> endpoint_limit = std::nullopt;
  EjectionOverrides ejection = {};
  ReplyClassOverrides successes = {};
  ReplyClassOverrides endpoint_failures = {};
  std::optional<UpstreamProtocol> upstream_protocol = std::nullopt;

  bool operator==(const PolicyOverrides&) const = default;

  /// Lays what is said here over `policy`.
  void apply_to(Policy& policy) const;
};

/// The configuration of routing, read and found valid: the content of the ConfigMap's
/// `nodeway.yaml`. A default-constructed one is what holds without a ConfigMap.
struct ConfigDocument {
  std::string default_namespace = "default";     ///< of short names
  std::string cluster_domain = "cluster.local";  ///< kubelet's and CoreDNS's own default
  CallersAllowed callers;
  Identifiers identifiers = default_identifiers();
  /// Names outside of the cluster that may be dialled, and at which ports; lower case.
  std::map<std::string, std::set<std::uint16_t>, std::less<>> external_names;
  PolicyOverrides defaults;
  std::map<std::string, PolicyOverrides, std::less<>> services;  ///< by `name.namespace`
  std::map<std::pair<std::string, std::uint16_t>, PolicyOverrides>
      service_ports;  ///< by `name.namespace` and the Service's port

  bool operator==(const ConfigDocument&) const = default;

  /// Built-in defaults, then `defaults`, then the Service's entry, then that of its port.
  [[nodiscard]] Policy policy_for(std::string_view service, std::uint16_t port) const;
  /// In the same order; each of the three maps is that of the narrowest level that has one. Borrows
  /// of this document.
  [[nodiscard]] EndpointWeights weights_for(std::string_view service, std::uint16_t port) const;
};

/// One thing that is wrong with a document, and where.
struct ConfigError {
  std::uint32_t line = 0;    ///< from 1; 0 if it concerns the document as a whole
  std::uint32_t column = 0;  ///< from 1; 0 as for `line`
  std::string message;       ///< one line
  std::string path;  ///< of the field: `services["cart.shop"].timeout.request`; may be empty

  /// `3:7: services["cart.shop"].decay: …`, what every place shows that tells of the error.
  [[nodiscard]] std::string text() const;
  bool operator==(const ConfigError&) const = default;
};

/// What became of a text. Valid if there is no error; else `document` means nothing.
struct ParsedConfig {
  ConfigDocument document;
  std::vector<ConfigError> errors;  ///< in the order of the text, at most kMaxConfigErrors

  [[nodiscard]] bool is_valid() const noexcept { return errors.empty(); }
};

/// Enough to mend a document in one go; more of them only repeat the same mistake.
inline constexpr std::size_t kMaxConfigErrors = 20;

/// What the API server stores in a ConfigMap at most (core/v1 validation, MaxSecretSize).
inline constexpr std::size_t kMaxConfigBytes = std::size_t{1024} * 1024;

/// Of a cluster domain: of the 253 bytes of a DNS name, what is left behind the shortest Service.
inline constexpr std::size_t kMaxClusterDomainBytes = 253 - sizeof("a.b.svc.");

/// Of `externalNames`: each node asks DNS for all of them, again and again.
inline constexpr std::size_t kMaxExternalNames = 100;

/// Reads and checks a whole document, in YAML or JSON; docs/configuration.md has its fields.
///
/// Unknown fields, duplicate keys, values of a wrong type or out of range, more than one document,
/// aliases that blow it up and too deep nesting are errors; all of them are collected.
[[nodiscard]] ParsedConfig parse_config(std::string_view text);

}  // namespace router::control
