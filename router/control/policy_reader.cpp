// SPDX-License-Identifier: Apache-2.0
#include "router/control/policy_reader.hpp"

#include "router/control/config_values.hpp"
#include "router/h1/fields.hpp"
#include "router/resolve/ascii_case.hpp"
#include "router/resolve/dns_name.hpp"
#include "router/route/grpc_status_names.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

namespace router::control {
namespace {

using namespace std::chrono_literals;
using Place = FieldReader::Place;
using Field = FieldReader::Field;

/// What values are taken. The defaults are in Policy (router/route/policy.hpp).
namespace range {
/// Shorter, and an estimate is forgotten between two requests; longer, and it is not one of now.
constexpr DurationRange kDecay{.least = 10ms, .most = 1h};
/// At least: with exactly the even share there would be no way round for a key. At most: a hundred
/// times the even share, which is no bound for less than a hundred pods.
constexpr CountRange kLoadBound{.least = 101, .most = 10'000};
/// At most: by then the kernel itself has given up (tcp_syn_retries).
constexpr DurationRange kConnect{.least = 1ms, .most = 2min};
/// At most: a request that lasts longer is no request but a session, and wants none.
constexpr DurationRange kRequest{.least = 1ms, .most = 24h, .zero_too = true};
/// At least: below it, what is slow is the scheduler.
constexpr DurationRange kPerTry{.least = 1ms, .most = 24h, .zero_too = true};
/// At least: a stream that says something ten times a second is none that is idle.
constexpr DurationRange kIdle{.least = 100ms, .most = 24h, .zero_too = true};
/// At least: shorter, and connecting is most of the work.
constexpr DurationRange kConnectionAge{.least = 1s, .most = 24h, .zero_too = true};
/// At most: what failed six times fails for a reason.
constexpr CountRange kRetries{.least = 0, .most = kMaxRetries};
/// At most: each request once more.
constexpr FractionRange kBudgetRatio{.least = 0, .most = 1};
constexpr CountRange kBudgetMin{.least = 0, .most = 100'000};
/// At least: shorter, and a budget is none. At most: longer, and a bad hour pays for a bad minute.
constexpr DurationRange kBudgetWindow{.least = 1s, .most = 5min};
/// At least: by then half of all requests would be sent twice.
constexpr DurationRange kHedgingDelay{.least = 1ms, .most = 1min};
/// At least one: the first request to a pod waits for its connection.
constexpr CountRange kQueueSize{.least = 1, .most = 100'000};
/// At most: no caller waits longer for a first byte, so that it would only hold memory.
constexpr DurationRange kQueueTimeout{.least = 1ms, .most = 2min};
/// At most: by then it is the memory of the node that limits.
constexpr CountRange kConcurrency{.least = 1, .most = 1'000'000};
/// 0 turns it off.
constexpr CountRange kPerEndpoint{.least = 0, .most = 1'000'000};
/// At most: what needs longer is not warming up.
constexpr DurationRange kSlowStart{.least = 1s, .most = 1h, .zero_too = true};
/// 0 turns it off.
constexpr CountRange kSubsetSize{.least = 0, .most = 10'000};
/// 0 turns it off.
constexpr CountRange kZoneSpillOver{.least = 0, .most = 1'000'000};
/// So that nobody starves and nobody is buried.
constexpr FractionRange kWeight{.least = kLeastConfiguredWeight, .most = kMostConfiguredWeight};
constexpr CountRange kConsecutive{.least = 0, .most = 1000};
/// At least: shorter, and the probes of a pod that is down are a load. At most: longer, and a pod
/// that was mended is missed.
constexpr DurationRange kPenalty{.least = 10ms, .most = 1h};
constexpr CountRange kPercent{.least = 0, .most = 100};
/// 0 turns it off.
constexpr CountRange kLatencyFactor{.least = 0, .most = 1000};
}  // namespace range

static_assert(kGrpcStatusNames.size() == ReplyClass::kGrpcStatuses);

constexpr std::array<std::string_view, 6> kBalancers{
    "peak_ewma", "least_request", "round_robin", "random", "ring_hash", "maglev"};
constexpr std::array kBalancerKinds{BalancerKind::peak_ewma,
                                    BalancerKind::least_request,
                                    BalancerKind::round_robin,
                                    BalancerKind::random,
                                    BalancerKind::ring_hash,
                                    BalancerKind::maglev};
/// In the order of RetryCondition.
constexpr std::array<std::string_view, kRetryConditions> kConditionNames{"reset",
                                                                         "timeout",
                                                                         "cancelled",
                                                                         "unknown",
                                                                         "deadline_exceeded",
                                                                         "resource_exhausted",
                                                                         "aborted",
                                                                         "internal",
                                                                         "unavailable",
                                                                         "data_loss",
                                                                         "http_429",
                                                                         "http_500",
                                                                         "http_502",
                                                                         "http_503",
                                                                         "http_504"};
constexpr std::string_view kAdaptive = "adaptive";
constexpr std::array<std::string_view, 2> kConcurrency{kAdaptive, "none"};
constexpr std::array<std::string_view, 2> kProtocols{"h2c", "http1"};
constexpr std::array kProtocolKinds{UpstreamProtocol::h2c, UpstreamProtocol::http1};

/// Reads the fields of one level into a PolicyOverrides.
class PolicyReader {
 public:
  PolicyReader(FieldReader& reader, PolicyOverrides& overrides)
      : reader_{reader}, overrides_{overrides} {}

  void read(const Place& value) {
    const std::array fields{
        Field{"balancer", [this](const Place& field) { balancer(field); }},
        Field{"timeout", [this](const Place& field) { timeout(field); }},
        Field{"retries", [this](const Place& field) { retries(field); }},
        Field{"limits", [this](const Place& field) { limits(field); }},
        Field{"ejection", [this](const Place& field) { ejection(field); }},
        Field{"success", [this](const Place& field) { reply_class(field, overrides_.successes); }},
        Field{"endpointFailure",
              [this](const Place& field) { reply_class(field, overrides_.endpoint_failures); }},
        Field{"upstreamProtocol",
              [this](const Place& field) {
                if (const auto index = reader_.choice(field, kProtocols)) {
                  overrides_.upstream_protocol = kProtocolKinds.at(*index);
                }
              }},
    };
    reader_.fields(value, fields);
  }

 private:
  void balancer(const Place& value) {
    const std::array fields{
        Field{"policy",
              [this](const Place& field) {
                if (const auto index = reader_.choice(field, kBalancers)) {
                  overrides_.balancer = kBalancerKinds.at(*index);
                }
              }},
        duration_field("decay", range::kDecay, overrides_.decay),
        Field{"hashOn", [this](const Place& field) { hash_on(field); }},
        count_field("loadBoundPercent", range::kLoadBound, overrides_.load_bound_percent),
        duration_field("slowStart", range::kSlowStart, overrides_.slow_start),
        count_field("subsetSize", range::kSubsetSize, overrides_.subset_size),
        count_field("zoneSpillOver", range::kZoneSpillOver, overrides_.zone_spill_over),
        Field{"weights", [this](const Place& field) { weights(field); }},
    };
    reader_.fields(value, fields);
  }

  void weights(const Place& value) {
    WeightOverrides& weights = overrides_.weights;
    const std::array fields{
        Field{"zones",
              [&](const Place& map) {
                weights_by_name(map, is_zone_name, "no name of a zone", weights.zones);
              }},
        Field{"nodes",
              [&](const Place& map) {
                weights_by_name(map, is_node_name, "no name of a node", weights.nodes);
              }},
        Field{"hostnames",
              [&](const Place& map) {
                weights_by_name(map,
                                is_dns_label,
                                "no hostname of a pod, which is a single label such as db-0",
                                weights.hostnames);
              }},
    };
    reader_.fields(value, fields);
  }

  void weights_by_name(const Place& map,
                       bool (*is_name)(std::string_view),
                       std::string_view otherwise,
                       std::optional<WeightsByName>& weights) {
    if (map.node.kind == YamlNode::Kind::map) {
      weights.emplace();
    }
    reader_.members(map, [&](const YamlMember& member, const Place& entry) {
      if (!is_name(member.key)) {
        reader_.fail(
            member.place, entry.path, fmt::format("{} is {}", quoted(member.key), otherwise));
      }
      if (const auto weight = reader_.fraction(entry, range::kWeight); weight && weights) {
        weights->emplace(member.key, *weight);
      }
    });
    if (map.node.members.size() > kMaxWeights) {
      reader_.fail(
          map.node.place,
          map.path,
          fmt::format("has {} entries, {} are allowed", map.node.members.size(), kMaxWeights));
    }
  }

  void hash_on(const Place& value) {
    const auto part = [this](HashOn::Part which) {
      return [this, which](const Place& field) {
        reader_.fields(field, {});
        overrides_.hash_on = HashOn{.part = which};
      };
    };
    const std::array alternatives{
        Field{"header", [this](const Place& field) { named_part(HashOn::Part::header, field); }},
        Field{"cookie", [this](const Place& field) { named_part(HashOn::Part::cookie, field); }},
        Field{"path", part(HashOn::Part::path)},
        Field{"callerIp", part(HashOn::Part::caller_ip)},
        Field{"callerPod", part(HashOn::Part::caller_pod)},
    };
    reader_.one_of(value, alternatives);
  }

  /// Fields and cookies are named by tokens (RFC 9110 section 5.1, RFC 6265 section 4.1.1).
  void named_part(HashOn::Part part, const Place& value) {
    const std::optional<std::string> name = reader_.text(value);
    if (!name || !h1::is_token(*name)) {
      reader_.fail(
          value.node.place, value.path, "needs the name of one, as in {header: x-user-id}");
      return;
    }
    overrides_.hash_on =
        HashOn{.part = part, .name = part == HashOn::Part::header ? in_lower_case(*name) : *name};
  }

  void timeout(const Place& value) {
    const std::array fields{
        duration_field("connect", range::kConnect, overrides_.connect_timeout),
        duration_field("request", range::kRequest, overrides_.request_timeout),
        duration_field("responseStart", range::kRequest, overrides_.response_start_timeout),
        duration_field("perTry", range::kPerTry, overrides_.per_try_timeout),
        duration_field("idle", range::kIdle, overrides_.idle_timeout),
        duration_field("connectionAge", range::kConnectionAge, overrides_.connection_age),
    };
    reader_.fields(value, fields);
  }

  void retries(const Place& value) {
    RetryOverrides& retries = overrides_.retries;
    const std::array fields{
        count_field("limit", range::kRetries, retries.limit),
        Field{"idempotent", [&](const Place& field) { retries.idempotent = reader_.flag(field); }},
        Field{"conditions", [this](const Place& field) { conditions(field); }},
        Field{"budget", [this](const Place& field) { budget(field); }},
        Field{"hedgingDelay", [this](const Place& field) { hedging_delay(field); }},
    };
    reader_.fields(value, fields);
  }

  void conditions(const Place& list) {
    std::optional<RetryConditions>& conditions = overrides_.retries.conditions;
    if (list.node.kind == YamlNode::Kind::sequence) {
      conditions.emplace();
    }
    reader_.items(list, [&](const Place& item) {
      if (const auto index = reader_.choice(item, kConditionNames); index && conditions) {
        conditions->set(*index);
      }
    });
  }

  void budget(const Place& value) {
    RetryOverrides& retries = overrides_.retries;
    const std::array fields{
        Field{"ratio",
              [&](const Place& field) {
                retries.budget_ratio = reader_.fraction(field, range::kBudgetRatio);
              }},
        count_field("minPerSecond", range::kBudgetMin, retries.budget_min_per_second),
        duration_field("window", range::kBudgetWindow, retries.budget_window),
    };
    reader_.fields(value, fields);
  }

  void hedging_delay(const Place& value) {
    constexpr std::array<std::string_view, 2> kWords{"none", "p95"};
    const auto read = reader_.choice_or_duration(value, kWords, range::kHedgingDelay);
    if (!read) {
      return;
    }
    if (const auto* delay = std::get_if<Nanoseconds>(&*read)) {
      overrides_.retries.hedging = {.when = Hedging::fixed, .delay = *delay};
    } else {
      overrides_.retries.hedging = {.when = std::get<std::size_t>(*read) == 0 ? Hedging::none
                                                                              : Hedging::p95};
    }
  }

  void limits(const Place& value) {
    const std::array fields{
        Field{"concurrency",
              [this](const Place& field) {
                if (const auto limit =
                        reader_.choice_or_count(field, kConcurrency, range::kConcurrency)) {
                  const auto* const number = std::get_if<std::uint32_t>(&*limit);
                  overrides_.concurrency_limit = number != nullptr ? *number : 0;
                  overrides_.has_adaptive_limit =
                      number == nullptr &&
                      kConcurrency.at(std::get<std::size_t>(*limit)) == kAdaptive;
                }
              }},
        count_field("perEndpoint", range::kPerEndpoint, overrides_.endpoint_limit),
        Field{"queue", [this](const Place& field) { queue(field); }},
    };
    reader_.fields(value, fields);
  }

  void queue(const Place& value) {
    const std::array fields{
        count_field("size", range::kQueueSize, overrides_.queue_requests),
        duration_field("timeout", range::kQueueTimeout, overrides_.queue_timeout),
    };
    reader_.fields(value, fields);
  }

  void ejection(const Place& value) {
    EjectionOverrides& ejection = overrides_.ejection;
    const std::array fields{
        count_field("consecutive", range::kConsecutive, ejection.consecutive),
        duration_field("minPenalty", range::kPenalty, ejection.min_penalty),
        duration_field("maxPenalty", range::kPenalty, ejection.max_penalty),
        count_field("maxPercent", range::kPercent, ejection.max_percent),
        count_field("panicPercent", range::kPercent, ejection.panic_percent),
        Field{"successRate",
              [&](const Place& field) { ejection.by_success_rate = reader_.flag(field); }},
        count_field("latencyFactor", range::kLatencyFactor, ejection.latency_factor),
    };
    reader_.fields(value, fields);
  }

  [[nodiscard]] Field count_field(std::string_view name,
                                  CountRange range,
                                  std::optional<std::uint32_t>& into) {
    return {name, [this, range, &into](const Place& field) { into = reader_.count(field, range); }};
  }

  [[nodiscard]] Field duration_field(std::string_view name,
                                     DurationRange range,
                                     std::optional<Nanoseconds>& into) {
    return {name,
            [this, range, &into](const Place& field) { into = reader_.duration(field, range); }};
  }

  void reply_class(const Place& value, ReplyClassOverrides& overrides) {
    const std::array fields{
        Field{"grpc", [&](const Place& field) { grpc_statuses(field, overrides.grpc); }},
        Field{"http", [&](const Place& field) { http_statuses(field, overrides.http); }},
    };
    reader_.fields(value, fields);
  }

  void grpc_statuses(const Place& list, std::optional<ReplyClass::GrpcStatuses>& statuses) {
    if (list.node.kind == YamlNode::Kind::sequence) {
      statuses.emplace();
    }
    reader_.items(list, [&](const Place& item) {
      if (const auto status = reader_.choice(item, kGrpcStatusNames); status && statuses) {
        statuses->set(*status);
      }
    });
  }

  void http_statuses(const Place& value, std::optional<ReplyClass::HttpStatuses>& statuses) {
    const std::optional<std::string> text = reader_.text(value);
    if (!text) {
      return;
    }
    statuses = parse_http_statuses(*text);
    if (!statuses) {
      reader_.fail(value.node.place,
                   value.path,
                   quoted(*text) + " is no list of statuses such as \"429, 500-599\"");
    }
  }

  FieldReader& reader_;
  PolicyOverrides& overrides_;
};

}  // namespace

void read_policy(const Place& value, FieldReader& reader, PolicyOverrides& overrides) {
  PolicyReader{reader, overrides}.read(value);
}

}  // namespace router::control
