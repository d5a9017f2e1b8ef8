// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_document.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <string_view>

#include <boost/asio/ip/address.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kFull = R"(version: 1
defaultNamespace: shop
clusterDomain: example.org
defaults:
  balancer: {policy: round_robin, decay: 5s}
  timeout: {connect: 250ms}
services:
  predict.ml:            # name.namespace or name.namespace:port
    timeout: {request: 2s, perTry: 500ms, responseStart: 1s, idle: 5m, connectionAge: 10m}
    retries:
      limit: 2
      idempotent: true
      conditions: [unavailable, reset]
      budget: {ratio: 0.5, minPerSecond: 3, window: 20s}
      hedgingDelay: 30ms
    balancer: {slowStart: 30s, subsetSize: 20, zoneSpillOver: 8, weights: {zones: {eu-1a: 2}, nodes: {gpu-1.example.org: 0.5}, hostnames: {db-0: 10}}}
    limits: {concurrency: 200, perEndpoint: 50, queue: {size: 7, timeout: 1m30s}}
    ejection: {consecutive: 3, minPenalty: 2s, maxPenalty: 1m, maxPercent: 30, panicPercent: 0, successRate: false, latencyFactor: 0}
    success: {grpc: [OK, NOT_FOUND], http: "200-299, 404"}
    endpointFailure: {grpc: [], http: ""}
    upstreamProtocol: h2c
  predict.ml:8080:
    timeout: {request: 3s, connect: 1.5s}
    upstreamProtocol: http1
)";

/// The first error as every place shows it; "" if the document is valid.
std::string headline(std::string_view text) {
  const ParsedConfig parsed = parse_config(text);
  return parsed.is_valid() ? "" : parsed.errors.front().text();
}

std::string with_version(std::string_view rest) {
  return "version: 1\n" + std::string{rest};
}

}  // namespace

TEST_CASE("parse_config: a document of all fields is read", "[config]") {
  const ParsedConfig parsed = parse_config(kFull);

  REQUIRE(parsed.is_valid());
  const ConfigDocument& document = parsed.document;
  CHECK(document.default_namespace == "shop");
  CHECK(document.cluster_domain == "example.org");
  CHECK(document.defaults == PolicyOverrides{.balancer = BalancerKind::round_robin,
                                             .decay = 5s,
                                             .connect_timeout = 250ms});
  REQUIRE(document.services.size() == 1);
  ReplyClassOverrides successes{.grpc = 0b10'0001, .http = ReplyClass::HttpStatuses{}};
  add_range(*successes.http, 200, 299);
  add_range(*successes.http, 404, 404);
  CHECK(document.services.at("predict.ml") ==
        PolicyOverrides{.slow_start = 30s,
                        .subset_size = 20,
                        .weights = {.zones = WeightsByName{{"eu-1a", 2}},
                                    .nodes = WeightsByName{{"gpu-1.example.org", 0.5}},
                                    .hostnames = WeightsByName{{"db-0", 10}}},
                        .zone_spill_over = 8,
                        .request_timeout = 2s,
                        .response_start_timeout = 1s,
                        .per_try_timeout = 500ms,
                        .idle_timeout = 5min,
                        .connection_age = 10min,
                        .retries = {.limit = 2,
                                    .idempotent = true,
                                    .conditions = RetryConditions{1U | 1U << 8U},
                                    .budget_ratio = 0.5,
                                    .budget_min_per_second = 3,
                                    .budget_window = 20s,
                                    .hedging = {{.when = Hedging::fixed, .delay = 30ms}}},
                        .queue_requests = 7,
                        .queue_timeout = 90s,
                        .has_adaptive_limit = false,
                        .concurrency_limit = 200,
                        .endpoint_limit = 50,
                        .ejection = {.consecutive = 3,
                                     .min_penalty = 2s,
                                     .max_penalty = 60s,
                                     .max_percent = 30,
                                     .panic_percent = 0,
                                     .by_success_rate = false,
                                     .latency_factor = 0},
                        .successes = successes,
                        .endpoint_failures = {.grpc = ReplyClass::GrpcStatuses{},
                                              .http = ReplyClass::HttpStatuses{}},
                        .upstream_protocol = UpstreamProtocol::h2c});
  REQUIRE(document.service_ports.size() == 1);
  CHECK(document.service_ports.at({"predict.ml", std::uint16_t{8080}}) ==
        PolicyOverrides{.connect_timeout = 1500ms,
                        .request_timeout = 3s,
                        .upstream_protocol = UpstreamProtocol::http1});
}

TEST_CASE("parse_config: what the hash goes by may be a part of the request or of its caller",
          "[config]") {
  const auto [written, read] = GENERATE(table<std::string, HashOn>({
      {"{header: X-User-Id}", {.part = HashOn::Part::header, .name = "x-user-id"}},
      {"{cookie: Session}", {.part = HashOn::Part::cookie, .name = "Session"}},
      {"path", {.part = HashOn::Part::path}},
      {"{path: }", {.part = HashOn::Part::path}},
      {"callerIp", {.part = HashOn::Part::caller_ip}},
      {"callerPod", {.part = HashOn::Part::caller_pod}},
      {"", {.part = HashOn::Part::caller_pod}},  // as good as left out
  }));
  CAPTURE(written);

  const ParsedConfig parsed = parse_config(with_version(
      "defaults: {balancer: {policy: maglev, loadBoundPercent: 200, hashOn: " + written + "}}"));

  REQUIRE(parsed.is_valid());
  const Policy policy = parsed.document.policy_for("a.b", 80);
  CHECK(policy.balancer == BalancerKind::maglev);
  CHECK(policy.hash_on == read);
  CHECK(policy.load_bound_percent == 200);
}

TEST_CASE("parse_config: a limit of requests is a number, adaptive, or none", "[config]") {
  const auto [written, is_adaptive, limit] =
      GENERATE(table<std::string, bool, std::uint32_t>({{"200", false, 200U},
                                                        {"adaptive", true, 0U},
                                                        {"none", false, 0U},
                                                        {"", false, 300U}}));  // the wider level's
  CAPTURE(written);

  const ParsedConfig parsed =
      parse_config(with_version("defaults: {limits: {concurrency: 300}}\n"
                                "services: {a.b: {limits: {concurrency: " +
                                written + "}}}"));

  REQUIRE(parsed.is_valid());
  const Policy policy = parsed.document.policy_for("a.b", 80);
  CHECK(policy.has_adaptive_limit == is_adaptive);
  CHECK(policy.concurrency_limit == limit);
}

TEST_CASE("parse_config: version alone gives the built-in defaults", "[config]") {
  const ParsedConfig parsed = parse_config("version: 1");

  REQUIRE(parsed.is_valid());
  CHECK(parsed.document == ConfigDocument{});
}

TEST_CASE("parse_config: JSON is YAML too", "[config]") {
  const ParsedConfig parsed =
      parse_config(R"({"version": 1, "services": {"a.b": {"timeout": {"request": "2s"}}}})");

  REQUIRE(parsed.is_valid());
  CHECK(parsed.document.services.at("a.b").request_timeout == Nanoseconds{2s});
}

TEST_CASE("parse_config: a field left empty is as good as left out", "[config]") {
  const ParsedConfig parsed = parse_config(
      "version: 1\ndefaultNamespace:\ndefaults:\nservices:\n  a.b:\n  c.d: {timeout: {request: "
      "~}}\n");

  REQUIRE(parsed.is_valid());
  CHECK(parsed.document.default_namespace == "default");
  CHECK(parsed.document.services.at("c.d") == PolicyOverrides{});
}

TEST_CASE("parse_config: a name that looks like a number is one in quotes", "[config]") {
  CHECK(parse_config("version: 1\ndefaultNamespace: '17'").document.default_namespace == "17");
  CHECK(parse_config("version: 1\ndefaultNamespace: 17th").document.default_namespace == "17th");
  CHECK(parse_config("version: 1\nservices: {1.2: {}}").is_valid());  // keys are always text
}

TEST_CASE("parse_config: lines may end as on Windows", "[config]") {
  std::string with_carriage_returns;
  for (const char c : kFull) {
    with_carriage_returns += c == '\n' ? "\r\n" : std::string(1, c);
  }

  const ParsedConfig parsed = parse_config(with_carriage_returns);

  CHECK(parsed.is_valid());
  CHECK(parsed.document == parse_config(kFull).document);
  CHECK(headline("version: 1\r\n\r\ndefaults:\r\n  timeout: {conect: 1s}\r\n") ==
        R"(4:13: defaults.timeout.conect: unknown field "conect"; did you mean connect?)");
}

TEST_CASE("parse_config: a byte order mark of UTF-8 is passed over", "[config]") {
  const std::string mark = "\xEF\xBB\xBF";

  CHECK(parse_config(mark + std::string{kFull}).document == parse_config(kFull).document);
  CHECK(parse_config(mark + R"({"version": 1})").is_valid());
  CHECK(headline(mark + "version: 2\n") ==
        "1:10: version: this version is not known; 1 is expected");
  CHECK(headline(mark + "version: 1\nx: 1\n") == R"(2:1: x: unknown field "x")");
  CHECK(headline(mark) == "1:1: version: is missing; 1 is expected");
}

TEST_CASE("parse_config: UTF-16 is told by name", "[config]") {
  const std::string little("\xFF\xFEv\0:\0", 6);
  const std::string big("\xFE\xFF\0v\0:", 6);

  CHECK(headline(little) == "1:1: the text is UTF-16; UTF-8 is expected");
  CHECK(headline(big) == "1:1: the text is UTF-16; UTF-8 is expected");
  CHECK(headline(std::string("version: 1\0", 11)) == "1:1: the text holds a NUL byte");
}

TEST_CASE("policy_for: the narrowest level that says something wins", "[config]") {
  const ConfigDocument document = parse_config(kFull).document;

  const Policy other = document.policy_for("cart.shop", 8080);
  CHECK(other.balancer == BalancerKind::round_robin);
  CHECK(other.decay == 5s);
  CHECK(other.connect_timeout == 250ms);
  CHECK_FALSE(other.request_timeout);
  CHECK(other.queue_requests == 1000);
  CHECK_FALSE(other.upstream_protocol);

  const Policy service = document.policy_for("predict.ml", 9090);
  CHECK(service.balancer == BalancerKind::round_robin);
  CHECK(service.connect_timeout == 250ms);
  CHECK(service.request_timeout == Nanoseconds{2s});
  CHECK(service.queue_requests == 7);
  CHECK(service.upstream_protocol == UpstreamProtocol::h2c);

  const Policy port = document.policy_for("predict.ml", 8080);
  CHECK(port.decay == 5s);
  CHECK(port.connect_timeout == 1500ms);
  CHECK(port.request_timeout == Nanoseconds{3s});
  CHECK(port.queue_timeout == 90s);
  CHECK(port.upstream_protocol == UpstreamProtocol::http1);
}

TEST_CASE("policy_for: ejection and what a reply means are settled field by field", "[config]") {
  const ParsedConfig parsed = parse_config(R"(version: 1
defaults:
  ejection: {consecutive: 3, minPenalty: 2s}
  endpointFailure: {grpc: [UNAVAILABLE], http: "503"}
services:
  predict.ml:
    ejection: {consecutive: 0, successRate: false}
    endpointFailure: {grpc: []}
)");

  REQUIRE(parsed.is_valid());
  const Policy policy = parsed.document.policy_for("predict.ml", 80);
  CHECK(policy.ejection.consecutive == 0);
  CHECK(policy.ejection.min_penalty == 2s);
  CHECK(policy.ejection.max_penalty == 60s);
  CHECK_FALSE(policy.ejection.by_success_rate);
  CHECK_FALSE(policy.endpoint_failures.has(200, 14));
  CHECK(policy.endpoint_failures.has(503, std::nullopt));
  CHECK_FALSE(policy.endpoint_failures.has(500, std::nullopt));
  CHECK(policy.successes == default_successes());
}

TEST_CASE("parse_config: statuses that say nothing are refused with their place", "[config]") {
  const auto [rest, error] = GENERATE(table<std::string, std::string>({
      {"defaults: {success: {http: '99'}}",
       R"(2:28: defaults.success.http: "99" is no list of statuses such as "429, 500-599")"},
      {"defaults: {success: {http: 300-200}}",
       R"(2:28: defaults.success.http: "300-200" is no list of statuses such as "429, 500-599")"},
      {"defaults: {success: {http: '200,'}}",
       R"(2:28: defaults.success.http: "200," is no list of statuses such as "429, 500-599")"},
      {"defaults: {success: {http: 429}}",
       R"(2:28: defaults.success.http: text is expected here: write "429" in quotes)"},
      {"defaults: {ejection: {maxPercent: 101}}",
       R"(2:35: defaults.ejection.maxPercent: "101" is no whole number from 0 to 100)"},
  }));
  CAPTURE(rest);

  CHECK(headline(with_version(rest)) == error);
  CHECK(headline(with_version("defaults: {success: {grpc: [KO]}}"))
            .starts_with(R"(2:29: defaults.success.grpc[0]: "KO" is none of OK, CANCELLED)"));
}

TEST_CASE("policy_for: a request timeout of 0 takes away that of a wider level", "[config]") {
  const ParsedConfig parsed = parse_config(
      "version: 1\ndefaults: {timeout: {request: 1s}}\nservices: {a.b: {timeout: {request: 0s}}}");

  REQUIRE(parsed.is_valid());
  CHECK(parsed.document.policy_for("c.d", 80).request_timeout == Nanoseconds{1s});
  CHECK_FALSE(parsed.document.policy_for("a.b", 80).request_timeout);
}

TEST_CASE("policy_for: without a configuration the product's defaults hold", "[config]") {
  const Policy policy = ConfigDocument{}.policy_for("a.b", 80);

  CHECK(policy.balancer == BalancerKind::peak_ewma);
  CHECK(policy.decay == 10s);
  CHECK(policy.connect_timeout == 1s);
  CHECK_FALSE(policy.request_timeout);
  CHECK_FALSE(policy.per_try_timeout);
  CHECK(policy.retries.limit == 1);
  CHECK_FALSE(policy.retries.idempotent);
  CHECK(policy.queue_requests == 1000);
  CHECK(policy.queue_timeout == 3s);
}

TEST_CASE("policy_for: an empty list of conditions repeats nothing", "[config]") {
  const ParsedConfig parsed =
      parse_config("version: 1\nservices: {a.b: {retries: {conditions: []}}}");
  REQUIRE(parsed.is_valid());

  CHECK(parsed.document.policy_for("a.b", 80).retries.conditions.none());
}

TEST_CASE("policy_for: hedging is by time, by the usual latency, or taken away again", "[config]") {
  const ParsedConfig parsed = parse_config(R"(version: 1
defaults: {retries: {hedgingDelay: p95}}
services: {a.b: {retries: {hedgingDelay: none}}, c.d: {retries: {hedgingDelay: 1.5s}}}
)");
  REQUIRE(parsed.is_valid());

  CHECK(parsed.document.policy_for("e.f", 80).retries.hedging == Hedging::p95);
  CHECK(parsed.document.policy_for("a.b", 80).retries.hedging == Hedging::none);
  CHECK(parsed.document.policy_for("c.d", 80).retries.hedging == Hedging::fixed);
  CHECK(parsed.document.policy_for("c.d", 80).retries.hedging_delay == 1500ms);
}

TEST_CASE("parse_config: what is wrong is told with line, column and field", "[config]") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"", "1:1: version: is missing; 1 is expected"},
      {"# only this\n", "1:1: version: is missing; 1 is expected"},
      {"version:\n", "1:1: version: is missing; 1 is expected"},
      {"services: {}", "1:1: version: is missing; 1 is expected"},
      {"version: 2", "1:10: version: this version is not known; 1 is expected"},
      {"version: '1'", "1:10: version: this version is not known; 1 is expected"},
      {"version: [1]", "1:10: version: this version is not known; 1 is expected"},
      {"- version: 1", "1:1: a map of fields is expected here, not a list"},
      {"hello", "1:1: a map of fields is expected here, not a single value"},
      {"version: 1\nversion: 1", R"(2:1: version: "version" is there twice)"},
      {"version: 1\n---\nversion: 1", "2:1: a second document begins here; one is expected"},
      {"version: 1\n? [a]\n: b", "2:3: the name of a field must be text"},
  }));
  CAPTURE(text);

  CHECK(headline(text) == error);
}

TEST_CASE("parse_config: unknown fields are refused, misspelt ones with a suggestion", "[config]") {
  const auto [rest, error] = GENERATE(table<std::string, std::string>({
      {"callers: {alow: [loopback]}",
       R"(2:11: callers.alow: unknown field "alow"; did you mean allow?)"},
      {"routes: []", R"(2:1: routes: unknown field "routes")"},
      {"service: {}", R"(2:1: service: unknown field "service"; did you mean services?)"},
      {"Defaults: {}", R"(2:1: Defaults: unknown field "Defaults"; did you mean defaults?)"},
      {"defaults: {mirror: {}}", R"(2:12: defaults.mirror: unknown field "mirror")"},
      {"defaults: {timeout: {conect: 1s}}",
       R"(2:22: defaults.timeout.conect: unknown field "conect"; did you mean connect?)"},
      {"defaults: {timeout: {requset: 1s}}",
       R"(2:22: defaults.timeout.requset: unknown field "requset"; did you mean request?)"},
      {"services: {a.b: {limits: {rate: 2}}}",
       R"(2:27: services["a.b"].limits.rate: unknown field "rate")"},
      {"services: {a.b: {balancer: {hashOn: {host: x}}}}",
       R"(2:38: services["a.b"].balancer.hashOn.host: unknown field "host")"},
      {"defaults: {balancer: {weights: {zone: {a: 2}}}}",
       R"(2:33: defaults.balancer.weights.zone: unknown field "zone"; did you mean zones?)"},
      {"<<: {}", R"(2:1: ["<<"]: unknown field "<<")"},
  }));
  CAPTURE(rest);

  CHECK(headline(with_version(rest)) == error);
}

TEST_CASE("parse_config: values are checked for type, form and range", "[config]") {
  const auto [rest, error] = GENERATE(table<std::string, std::string>({
      {"defaults: {balancer: {policy: fastest}}",
       R"(2:31: defaults.balancer.policy: "fastest" is none of peak_ewma, least_request, round_robin, random, ring_hash, maglev)"},
      {"defaults: {balancer: {policy: roundrobin}}",
       R"(2:31: defaults.balancer.policy: "roundrobin" is none of peak_ewma, least_request, round_robin, random, ring_hash, maglev; did you mean round_robin?)"},
      {"defaults: {balancer: {hashOn: header}}",
       "2:31: defaults.balancer.hashOn: needs the name of one, as in {header: x-user-id}"},
      {"defaults: {balancer: {hashOn: {cookie: 'a b'}}}",
       "2:40: defaults.balancer.hashOn.cookie: needs the name of one, as in {header: x-user-id}"},
      {"defaults: {balancer: {hashOn: query}}",
       R"(2:31: defaults.balancer.hashOn: "query" is none of header, cookie, path, callerIp, callerPod)"},
      {"defaults: {balancer: {loadBoundPercent: 100}}",
       R"(2:41: defaults.balancer.loadBoundPercent: "100" is no whole number from 101 to 10000)"},
      {"defaults: {balancer: {decay: 10}}",
       R"(2:30: defaults.balancer.decay: "10" is no duration: number and unit are expected, as in 500ms, 1.5s, 1m30s)"},
      {"defaults: {balancer: {decay: 0s}}",
       "2:30: defaults.balancer.decay: 0s is out of range: 10ms to 1h is allowed"},
      {"defaults: {balancer: {decay: 61m}}",
       "2:30: defaults.balancer.decay: 61m is out of range: 10ms to 1h is allowed"},
      {"defaults: {retries: {limit: 6}}",
       R"(2:29: defaults.retries.limit: "6" is no whole number from 0 to 5)"},
      {"defaults: {retries: {conditions: [unavailible]}}",
       R"(2:35: defaults.retries.conditions[0]: "unavailible" is none of reset, timeout, cancelled, unknown, deadline_exceeded, resource_exhausted, aborted, internal, unavailable, data_loss, http_429, http_500, http_502, http_503, http_504; did you mean unavailable?)"},
      {"defaults: {retries: {budget: {ratio: 1.5}}}",
       R"(2:38: defaults.retries.budget.ratio: "1.5" is no number from 0 to 1)"},
      {"defaults: {retries: {budget: {ratio: '0.5'}}}",
       R"(2:38: defaults.retries.budget.ratio: "0.5" is no number from 0 to 1)"},
      {"defaults: {retries: {budget: {ratio: 1e-1}}}",
       R"(2:38: defaults.retries.budget.ratio: "1e-1" is no number from 0 to 1)"},
      {"defaults: {retries: {hedgingDelay: p99}}",
       R"(2:36: defaults.retries.hedgingDelay: "p99" is no duration: number and unit are expected, as in 500ms, 1.5s, 1m30s)"},
      {"defaults: {retries: {hedgingDelay: 2m}}",
       "2:36: defaults.retries.hedgingDelay: 2m is out of range: 1ms to 1m is allowed"},
      {"defaults: {timeout: {connect: -1s}}",
       R"(2:31: defaults.timeout.connect: "-1s" is no duration: number and unit are expected, as in 500ms, 1.5s, 1m30s)"},
      {"defaults: {timeout: {request: 25h}}",
       "2:31: defaults.timeout.request: 25h is out of range: 1ms to 24h, or 0 for none, is "
       "allowed"},
      {"defaults: {timeout: 3s}",
       "2:21: defaults.timeout: a map of fields is expected here, not a single value"},
      {"defaults: {timeout: {connect: {s: 1}}}",
       "2:31: defaults.timeout.connect: text is expected here, not a map"},
      {"defaults: {limits: {concurrency: 0}}",
       R"(2:34: defaults.limits.concurrency: "0" is no whole number from 1 to 1000000)"},
      {"defaults: {limits: {concurrency: adaptiv}}",
       R"(2:34: defaults.limits.concurrency: "adaptiv" is none of adaptive, none; did you mean adaptive?)"},
      {"defaults: {balancer: {slowStart: 10ms}}",
       "2:34: defaults.balancer.slowStart: 10ms is out of range: 1s to 1h, or 0 for none, is "
       "allowed"},
      {"defaults: {balancer: {weights: [{zone: a, weight: 2}]}}",
       "2:32: defaults.balancer.weights: a map of fields is expected here, not a list"},
      {"defaults: {balancer: {weights: {zones: {eu-1a: 0}}}}",
       R"(2:48: defaults.balancer.weights.zones["eu-1a"]: "0" is no number from 0.1 to 10)"},
      {"defaults: {balancer: {weights: {nodes: {gpu-1: 10.1}}}}",
       R"(2:48: defaults.balancer.weights.nodes["gpu-1"]: "10.1" is no number from 0.1 to 10)"},
      {"defaults: {balancer: {weights: {nodes: {gpu_1: 1}}}}",
       R"(2:41: defaults.balancer.weights.nodes.gpu_1: "gpu_1" is no name of a node)"},
      {"defaults: {balancer: {weights: {zones: {'': 1}}}}",
       R"(2:41: defaults.balancer.weights.zones[""]: "" is no name of a zone)"},
      {"defaults: {balancer: {weights: {zones: {-a: 1}}}}",
       R"(2:41: defaults.balancer.weights.zones["-a"]: "-a" is no name of a zone)"},
      {"defaults: {balancer: {weights: {hostnames: {db-0.db: 1}}}}",
       R"(2:45: defaults.balancer.weights.hostnames["db-0.db"]: "db-0.db" is no hostname of a pod, which is a single label such as db-0)"},
      {"defaults: {balancer: {weights: {hostnames: {db-0: heavy}}}}",
       R"(2:51: defaults.balancer.weights.hostnames["db-0"]: "heavy" is no number from 0.1 to 10)"},
      {"defaults: {balancer: {weights: {hostnames: {db-0: 1, db-0: 2}}}}",
       R"(2:54: defaults.balancer.weights.hostnames["db-0"]: "db-0" is there twice)"},
      {"defaults: {limits: {queue: {size: 0}}}",
       R"(2:35: defaults.limits.queue.size: "0" is no whole number from 1 to 100000)"},
      {"defaults: {limits: {queue: {size: -1}}}",
       R"(2:35: defaults.limits.queue.size: "-1" is no whole number from 1 to 100000)"},
      {"defaults: {limits: {queue: {size: 1.5}}}",
       R"(2:35: defaults.limits.queue.size: "1.5" is no whole number from 1 to 100000)"},
      {"defaults: {limits: {queue: {size: '10'}}}",
       R"(2:35: defaults.limits.queue.size: "10" is no whole number from 1 to 100000)"},
      {"defaults: {limits: {queue: {size: 99999999999999999999}}}",
       R"(2:35: defaults.limits.queue.size: "99999999999999999999" is no whole number from 1 to 100000)"},
      {"defaults: {limits: {queue: {size: [1]}}}",
       "2:35: defaults.limits.queue.size: a list is no whole number from 1 to 100000"},
      {"defaults: {upstreamProtocol: h2}",
       R"(2:30: defaults.upstreamProtocol: "h2" is none of h2c, http1; did you mean h2c?)"},
      {"defaultNamespace: Shop", R"(2:19: defaultNamespace: "Shop" is no name of a namespace)"},
      {"defaultNamespace: 17",
       R"(2:19: defaultNamespace: text is expected here: write "17" in quotes)"},
      {"defaultNamespace: true",
       R"(2:19: defaultNamespace: text is expected here: write "true" in quotes)"},
      {"defaultNamespace: 1e3",
       R"(2:19: defaultNamespace: text is expected here: write "1e3" in quotes)"},
      {"defaultNamespace: 0x1f",
       R"(2:19: defaultNamespace: text is expected here: write "0x1f" in quotes)"},
      {"defaultNamespace: [shop]", "2:19: defaultNamespace: text is expected here, not a list"},
      {"clusterDomain: 1.5",
       R"(2:16: clusterDomain: text is expected here: write "1.5" in quotes)"},
      {"defaultNamespace: ''", R"(2:19: defaultNamespace: "" is no name of a namespace)"},
      {"clusterDomain: cluster.local.",
       R"(2:16: clusterDomain: "cluster.local." is no domain's name such as cluster.local)"},
  }));
  CAPTURE(rest);

  CHECK(headline(with_version(rest)) == error);
}

TEST_CASE("parse_config: keys of services are checked", "[config]") {
  const auto [key, problem] = GENERATE(table<std::string, std::string>({
      {"cart", "lacks the namespace, as in cart.default"},
      {"cart.shop.svc.cluster.local", "is too long a name: cart.shop is enough"},
      {"Cart.shop", "is no name of a Service: lower-case letters, digits and - are expected"},
      {"cart.", "is no name of a Service: lower-case letters, digits and - are expected"},
      {"cart.shop:0", "has no port from 1 to 65535 after the colon"},
      {"cart.shop:", "has no port from 1 to 65535 after the colon"},
      {"cart.shop:65536", "has no port from 1 to 65535 after the colon"},
      {"cart.shop:080", "has no port from 1 to 65535 after the colon"},
      {"cart.shop:http", "has no port from 1 to 65535 after the colon"},
  }));
  const std::string path = key.find_first_of(".:") == std::string::npos
                               ? "services." + key
                               : "services[\"" + key + "\"]";

  CHECK(headline(with_version("services: {'" + key + "': {}}")) ==
        "2:12: " + path + ": \"" + key + "\" " + problem);
}

TEST_CASE("parse_config: all errors are told, in the order of the text", "[config]") {
  const ParsedConfig parsed = parse_config(R"(version: 1
services:
  a.b: {timeout: {request: 1}}
  a.b: {}
  c: {}
defaults: {balancr: {}}
)");

  REQUIRE(parsed.errors.size() == 4);
  CHECK(parsed.errors[0].line == 3);
  CHECK(parsed.errors[0].column == 28);
  CHECK(parsed.errors[0].path == R"(services["a.b"].timeout.request)");
  CHECK(parsed.errors[1].line == 4);
  CHECK(parsed.errors[2].line == 5);
  CHECK(parsed.errors[3].line == 6);
}

TEST_CASE("parse_config: the number of errors is bounded", "[config]") {
  std::string text = "version: 1\n";
  for (int i = 0; i < 1000; ++i) {
    text += "x" + std::to_string(i) + ": 1\n";
  }

  CHECK(parse_config(text).errors.size() == kMaxConfigErrors);
}

TEST_CASE("parse_config: text that is no YAML is told with its place", "[config]") {
  const auto text = GENERATE(as<std::string>{},
                             "version: 1\ndefaults: {timeout: {\n",
                             "version: 1\n\tdefaults: {}",
                             "version: 1\ndefaults: 'open",
                             "version: 1\n services: {}",
                             "version: *nothing");
  CAPTURE(text);

  const ParsedConfig parsed = parse_config(text);

  REQUIRE(parsed.errors.size() == 1);
  CHECK(parsed.errors[0].line >= 1);
  CHECK(parsed.errors[0].column >= 1);
  CHECK_FALSE(parsed.errors[0].message.empty());
}

TEST_CASE("parse_config: aliases are resolved, and an error in one is told where it is used",
          "[config]") {
  const ParsedConfig good =
      parse_config("version: 1\nservices:\n  a.b: &fast {timeout: {request: 1s}}\n  c.d: *fast\n");
  const std::string bad = headline("version: 1\ndefaults: &d {timeout: {}}\nservices: *d\n");

  REQUIRE(good.is_valid());
  CHECK(good.document.services.at("c.d").request_timeout == Nanoseconds{1s});
  CHECK(bad.find("services.timeout") != std::string::npos);
}

TEST_CASE("parse_config: aliases that expand without bound are refused", "[config]") {
  std::string text = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string inner = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) {
      text += inner + (j < 9 ? ", " : "]\n");
    }
  }

  CHECK(headline(text).find("too large") != std::string::npos);
  CHECK(headline("version: 1\ndefaults: &d {timeout: *d}").find("alias within") !=
        std::string::npos);
}

TEST_CASE("parse_config: depth and size are bounded", "[config]") {
  const std::string deep = "version: 1\ndefaults: " + std::string(100'000, '[');
  const std::string large = "version: 1\n#" + std::string(kMaxConfigBytes, 'x');

  CHECK(headline(deep).find("nested more than 16 deep") != std::string::npos);
  CHECK(headline(large).find("1048576 are allowed") != std::string::npos);
}

TEST_CASE("parse_config: no damage to a document breaks more than the document",
          "[config][property]") {
  const auto seed = GENERATE(range(1U, 300U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  std::string text{kFull};
  for (int damage = 0; damage < 5; ++damage) {
    const std::size_t at = rng() % text.size();
    switch (rng() % 4) {
      case 0:
        text[at] = static_cast<char>(rng());
        break;
      case 1:
        text.erase(at, 1 + rng() % 10);
        break;
      case 2:
        text.insert(at, 1, "{}[]:,&*!|>'\"%@`-#\n\t ?"[rng() % 22]);
        break;
      default:
        text.insert(at, text.substr(rng() % text.size(), rng() % 30));
        break;
    }
  }

  const ParsedConfig parsed = parse_config(text);

  CHECK(parsed.errors.size() <= kMaxConfigErrors);
  CHECK(std::all_of(parsed.errors.begin(), parsed.errors.end(), [](const ConfigError& error) {
    return !error.message.empty() && error.text().find('\n') == std::string::npos;
  }));
}

TEST_CASE("parse_config: `callers.allow` names all that may call", "[config]") {
  const auto callers = [](const std::string& rest) {
    const ParsedConfig parsed = parse_config(with_version(rest));
    REQUIRE(parsed.is_valid());
    return parsed.document.callers;
  };
  const auto range = [](const char* base, std::uint8_t bits) {
    return AddressRange{.base = boost::asio::ip::make_address(base), .prefix_bits = bits};
  };

  CHECK(callers("") == CallersAllowed{});
  CHECK(callers("callers:") == CallersAllowed{});
  CHECK(callers("callers: {allow: }") == CallersAllowed{});
  CHECK(callers("callers: {allow: []}") ==
        CallersAllowed{.node_pods = false, .loopback = false, .ranges = {}});
  CHECK(callers("callers: {allow: [node-pods]}") ==
        CallersAllowed{.node_pods = true, .loopback = false, .ranges = {}});
  CHECK(callers("callers: {allow: [loopback, 10.0.0.0/8, 'fd00::/8', 192.0.2.1, '::1/128']}") ==
        CallersAllowed{.node_pods = false,
                       .loopback = true,
                       .ranges = {range("10.0.0.0", 8),
                                  range("fd00::", 8),
                                  range("192.0.2.1", 32),
                                  range("::1", 128)}});
  CHECK(callers("callers: {allow: [0.0.0.0/0]}").ranges.front() == range("0.0.0.0", 0));
}

TEST_CASE("parse_config: what is no caller is refused with its place", "[config]") {
  const auto [rest, error] = GENERATE(table<std::string, std::string>({
      {"callers: {allow: [node-pod]}",
       R"(2:19: callers.allow[0]: "node-pod" is neither node-pods, loopback nor a range of addresses such as 10.0.0.0/8)"},
      {"callers: {allow: [loopback, 10.0.0.1/8]}",
       R"(2:29: callers.allow[1]: "10.0.0.1/8" is neither node-pods, loopback nor a range of addresses such as 10.0.0.0/8)"},
      {"callers: {allow: [10.0.0.0/33]}",
       R"(2:19: callers.allow[0]: "10.0.0.0/33" is neither node-pods, loopback nor a range of addresses such as 10.0.0.0/8)"},
      {"callers: {allow: [10.0.0.0/]}",
       R"(2:19: callers.allow[0]: "10.0.0.0/" is neither node-pods, loopback nor a range of addresses such as 10.0.0.0/8)"},
      {"callers: {allow: loopback}",
       "2:18: callers.allow: a list is expected here, not a single value"},
      {"callers: {allow: [{}]}", "2:19: callers.allow[0]: text is expected here, not a map"},
      {"callers: [loopback]", "2:10: callers: a map of fields is expected here, not a list"},
  }));
  CAPTURE(rest);

  CHECK(headline(with_version(rest)) == error);
}

TEST_CASE("parse_config: identifiers are a list of names, some with settings", "[config]") {
  const auto identifiers = [](const std::string& rest) {
    const ParsedConfig parsed = parse_config(with_version(rest));
    REQUIRE(parsed.is_valid());
    return parsed.document.identifiers;
  };

  CHECK(identifiers("") == default_identifiers());
  CHECK(identifiers("identifiers: [header, authority]") == default_identifiers());
  CHECK(identifiers("identifiers: [{header: {name: X-To}}, {authority: }, path]") ==
        Identifiers{HeaderIdentifier{"x-to"}, AuthorityIdentifier{}, PathIdentifier{}});
  CHECK(identifiers("identifiers: [{path: {segments: 2, consume: true}}]") ==
        Identifiers{PathIdentifier{.segments = 2, .consume = true}});
  CHECK(identifiers("identifiers:\n- grpc-path: {services: {a.B: b.c:80}, template: "
                    "'{service}.{package}'}") ==
        Identifiers{GrpcPathIdentifier{{{"a.B", "b.c:80"}}, "{service}.{package}"}});
}

TEST_CASE("parse_config: identifiers that cannot work are refused with their place", "[config]") {
  const auto [rest, error] = GENERATE(table<std::string, std::string>({
      {"identifiers: []", "2:14: identifiers: is empty: no request would mean a Service"},
      {"identifiers: header", "2:14: identifiers: a list is expected here, not a single value"},
      {"identifiers: [headers]",
       R"(2:15: identifiers[0]: "headers" is none of header, authority, grpc-path, path; did you mean header?)"},
      {"identifiers: [{paths: {}}]",
       R"(2:16: identifiers[0].paths: unknown field "paths"; did you mean path?)"},
      {"identifiers: [grpc-path]", "2:15: identifiers[0]: needs services, a template, or both"},
      {"identifiers: [{grpc-path: {services: {a.B: b}}}]",
       R"(2:44: identifiers[0]["grpc-path"].services["a.B"]: "b" lacks the namespace, as in b.default)"},
      {"identifiers: [{grpc-path: {template: '{package}'}}]",
       R"(2:38: identifiers[0]["grpc-path"].template: "{package}" makes no name of a Service, as {service}.{package} does)"},
      {"identifiers: [{header: {name: a b}}]",
       R"(2:31: identifiers[0].header.name: "a b" is no name of a header field)"},
      {"identifiers: [{path: {segments: 9}}]",
       R"(2:33: identifiers[0].path.segments: "9" is no whole number from 1 to 8)"},
      {"identifiers: [{path: {consume: yes}}]",
       "2:32: identifiers[0].path.consume: true or false is expected here"},
      {"identifiers: [{path: {}, header: {}}]",
       "2:15: identifiers[0]: one of header, authority, grpc-path, path is expected here, with "
       "what "
       "belongs to it"},
      {"identifiers: [~]",
       "2:15: identifiers[0]: one of header, authority, grpc-path, path is expected here"},
  }));
  CAPTURE(rest);

  CHECK(headline(with_version(rest)) == error);
}

TEST_CASE("parse_config: `externalNames` are DNS names of several labels, with or without a port",
          "[config]") {
  const auto names = [](const std::string& list) {
    const ParsedConfig parsed = parse_config("version: 1\nexternalNames: " + list);
    CAPTURE(list);
    CHECK(parsed.is_valid());
    return parsed.document.external_names;
  };
  using Names = decltype(ConfigDocument::external_names);

  CHECK(names("[]").empty());
  CHECK(names("").empty());
  CHECK(names("[a.example.com, 'b.example.com:8080', 'b.example.com', 'a.example.com:80']") ==
        Names{{"a.example.com", {80}}, {"b.example.com", {80, 8080}}});
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + label.substr(2);
  CHECK(names("['" + longest + ":65535']") == Names{{longest, {65535}}});

  for (const std::string& bad : {std::string{"localhost"},
                                 std::string{"'*.example.com'"},
                                 std::string{"api.example.com."},
                                 std::string{"API.example.com"},
                                 std::string{"'api.example.com:'"},
                                 std::string{"'api.example.com:0'"},
                                 std::string{"'api.example.com:65536'"},
                                 std::string{"'api.example.com:http'"},
                                 std::string{"192.0.2.1"},
                                 std::string{"'[::1]:80'"},
                                 std::string{"'::1'"},
                                 std::string{"http://example.com"},
                                 longest + "a"}) {
    CAPTURE(bad);
    const ParsedConfig parsed = parse_config("version: 1\nexternalNames: [a.b, " + bad + "]");
    REQUIRE(parsed.errors.size() == 1);
    CHECK_THAT(parsed.errors[0].text(), Catch::StartsWith("2:22: externalNames[1]: "));
    CHECK_THAT(parsed.errors[0].text(), Catch::Contains("is neither a DNS name"));
  }
}

TEST_CASE("parse_config: `weights` are bounded in number", "[config]") {
  const auto with_zones = [](std::size_t n_zones) {
    std::string zones;
    for (std::size_t i = 0; i < n_zones; ++i) {
      zones += "z" + std::to_string(i) + ": 2, ";
    }
    return parse_config("version: 1\ndefaults: {balancer: {weights: {zones: {" + zones + "}}}}");
  };

  CHECK(with_zones(kMaxWeights).is_valid());
  const ParsedConfig parsed = with_zones(kMaxWeights + 1);
  REQUIRE(parsed.errors.size() == 1);
  CHECK(parsed.errors[0].text() ==
        "2:40: defaults.balancer.weights.zones: has 101 entries, 100 are allowed");
}

TEST_CASE("weights_for: each map is that of the narrowest level that has one", "[config]") {
  const ParsedConfig parsed = parse_config(R"(version: 1
defaults: {balancer: {weights: {zones: {a: 2, b: 3}, nodes: {n: 4}}}}
services:
  cart.shop: {balancer: {weights: {zones: {b: 5}, hostnames: {db-0: 0.5, db-1: }}}}
  cart.shop:80: {balancer: {weights: {nodes: {}, hostnames: }}}
)");
  REQUIRE(parsed.is_valid());
  const ConfigDocument& document = parsed.document;
  const EndpointWeights widest = document.weights_for("other.shop", 80);
  const EndpointWeights of_service = document.weights_for("cart.shop", 81);
  const EndpointWeights of_port = document.weights_for("cart.shop", 80);

  CHECK(widest.of("a", "n", "db-0") == 8);
  CHECK(of_service.of("a", "n", "db-0") == 2);
  CHECK(of_service.of("b", "", "db-1") == 5);
  CHECK(of_port.of("b", "n", "db-0") == 2.5);
  CHECK(ConfigDocument{}.weights_for("cart.shop", 80).of("a", "n", "db-0") == 1);
}

TEST_CASE("EndpointWeights: the product is bounded as each weight is", "[config]") {
  const WeightsByName heavy{{"a", 10}};
  const WeightsByName light{{"a", 0.1}};

  CHECK(EndpointWeights{.zones = &heavy, .nodes = &heavy}.of("a", "a", "") == 10);
  CHECK(EndpointWeights{.zones = &light, .nodes = &light}.of("a", "a", "") == 0.1);
  CHECK(EndpointWeights{.zones = &light, .hostnames = &heavy}.of("a", "a", "a") == Approx(1));
}

TEST_CASE("parse_config: `externalNames` are bounded in number", "[config]") {
  std::string list;
  for (std::size_t i = 0; i < kMaxExternalNames; ++i) {
    list += "a" + std::to_string(i) + ".example.com, ";
  }

  CHECK(parse_config("version: 1\nexternalNames: [" + list + "]").is_valid());
  const ParsedConfig parsed = parse_config("version: 1\nexternalNames: [" + list + "a.b]");
  REQUIRE(parsed.errors.size() == 1);
  CHECK(parsed.errors[0].text() == "2:16: externalNames: has 101 items, 100 are allowed");
}
