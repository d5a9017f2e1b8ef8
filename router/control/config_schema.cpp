// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_schema.hpp"

#include "router/control/config_document.hpp"
#include "router/control/config_survey.hpp"
#include "router/control/config_values.hpp"
#include "router/control/duration.hpp"
#include "router/control/value_pattern.hpp"
#include "router/resolve/dns_name.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <string_view>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace router::control {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMostPort = 65535;
constexpr std::string_view kHashOn = "policy.balancer.hashOn";
constexpr std::string_view kWeights = "policy.balancer.weights";
constexpr std::string_view kLabel = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";

/// What is said of a field beside what its reader takes.
struct Note {
  std::string_view path;      ///< `policy.` stands for `defaults.` and for that of an entry
  std::string_view standard;  ///< built-in default; "" if there is none
  std::string_view text;
};

constexpr std::array kNotes{
    Note{"version", "", "Version of this format. Required."},
    Note{"defaultNamespace",
         "default",
         "Namespace in which a Service named without one is looked up."},
    Note{"clusterDomain",
         "cluster.local",
         "Domain of the cluster's names, without a dot at its end; the same as kubelet's."},
    Note{
        "identifiers",
        "",
        "Where in a request its Service is named; the first that applies decides. Default: header, "
        "authority."},
    Note{"identifiers.[]", "", "An identifier, or one with its settings."},
    Note{"identifiers.[].header", "", "The value of a header field, which is not passed on."},
    Note{"identifiers.[].header.name", "l5d-dst-override", "The field's name."},
    Note{"identifiers.[].authority", "", "The :authority, or Host."},
    Note{"identifiers.[].grpc-path", "", "The gRPC service in the path: /package.Service/Method."},
    Note{"identifiers.[].grpc-path.services",
         "",
         "By package.Service: the Kubernetes Service as name.namespace or name.namespace:port."},
    Note{"identifiers.[].grpc-path.services.name.namespace",
         "",
         "The Kubernetes Service as name.namespace or name.namespace:port."},
    Note{"identifiers.[].grpc-path.template",
         "",
         "Makes the name for all others from {service} and {package}."},
    Note{"identifiers.[].path", "", "The first segments of the path, joined by dots."},
    Note{"identifiers.[].path.segments", "1", "How many segments."},
    Note{"identifiers.[].path.consume", "", "Whether the endpoint gets the path without them."},
    Note{"callers", "", "Who may call."},
    Note{"callers.allow",
         "",
         "node-pods, loopback, and ranges of addresses such as 10.0.0.0/8. Default: node-pods, "
         "loopback."},
    Note{"callers.allow.[]", "", "node-pods, loopback, or a range of addresses."},
    Note{"externalNames",
         "",
         "Names outside of the cluster that requests may be sent to, by DNS. Default: none."},
    Note{"externalNames.[]", "", "A DNS name, or one with its port; without, port 80."},
    Note{"defaults", "", "For all Services; their own entries win, field by field."},
    Note{"services",
         "",
         "Settings of single Services by name.namespace, or of one port by name.namespace:port."},
    Note{"policy", "", "Settings of this Service, or of this port of it."},
    Note{"policy.balancer", "", "How a pod is chosen for each request."},
    Note{
        "policy.balancer.policy",
        "peak_ewma",
        "peak_ewma: the better of two random pods by latency and load. least_request: by requests "
        "in "
        "flight. round_robin: each in turn. random: any. ring_hash, maglev: by what hashOn names."},
    Note{"policy.balancer.decay",
         "10s",
         "Time in which a pod's latency estimate falls to 37 % if there are no requests to it."},
    Note{"policy.balancer.hashOn",
         "callerPod",
         "What ring_hash and maglev go by: requests that are alike in it get the same pod."},
    Note{"policy.balancer.hashOn.header", "", "The value of the header field of this name."},
    Note{"policy.balancer.hashOn.cookie", "", "The value of the cookie of this name."},
    Note{"policy.balancer.hashOn.path", "", "The path without its query."},
    Note{"policy.balancer.hashOn.callerIp", "", "The caller's address."},
    Note{"policy.balancer.hashOn.callerPod",
         "",
         "The calling pod; the caller's address if it is no pod of this node."},
    Note{"policy.balancer.loadBoundPercent",
         "125",
         "How much of an even share of the requests in flight one pod may have under ring_hash and "
         "maglev; beyond it the next one gets them."},
    Note{"policy.balancer.slowStart",
         "0s",
         "For so long a pod that has come gets less than its share, rising evenly; 0 for none. "
         "ring_hash and maglev do without."},
    Note{"policy.balancer.subsetSize",
         "0",
         "So many of the pods, the same ones each time, get the requests of this node; 0: all."},
    Note{
        "policy.balancer.zoneSpillOver",
        "0",
        "With so many requests of this node in flight for each pod of its zone, further ones go to "
        "other zones; 0: none does."},
    Note{"policy.balancer.weights",
         "",
         "How many requests pods get beside the others, by where they are. All weights that are "
         "meant for a pod are multiplied, to 0.1 at least and 10 at most. Default: 1 for each."},
    Note{"policy.balancer.weights.zones", "", "By the name of a zone."},
    Note{"policy.balancer.weights.zones.name.namespace", "", "Weight of the zone's pods."},
    Note{"policy.balancer.weights.nodes", "", "By the name of a node."},
    Note{"policy.balancer.weights.nodes.name.namespace", "", "Weight of the node's pods."},
    Note{"policy.balancer.weights.hostnames",
         "",
         "By a pod's hostname, such as db-0 of a StatefulSet."},
    Note{"policy.balancer.weights.hostnames.name.namespace", "", "Weight of that pod."},
    Note{"policy.timeout", "", "Limits of time."},
    Note{"policy.timeout.connect",
         "1s",
         "For TCP and, with HTTP/2, the first SETTINGS of a pod; then another pod is tried."},
    Note{"policy.timeout.request",
         "0s",
         "From a request's head to its end; 0 for none. A caller's own deadline always counts."},
    Note{"policy.timeout.responseStart",
         "0s",
         "From a request's head to its reply's head, over all attempts; 0 for none."},
    Note{"policy.timeout.perTry",
         "0s",
         "From sending the last byte of a request to a pod to the reply's head; then it may be "
         "sent to another. 0 "
         "for "
         "none."},
    Note{"policy.timeout.idle",
         "0s",
         "How long a request and its reply may pass without a byte of either body; 0 for ever."},
    Note{"policy.timeout.connectionAge",
         "0s",
         "How long a connection to a pod takes new requests, up to a tenth less or more; 0 for "
         "ever."},
    Note{
        "policy.retries", "", "When a request is sent again that may have reached an application."},
    Note{"policy.retries.limit", "1", "Further requests for one; hedges count."},
    Note{"policy.retries.idempotent",
         "false",
         "Whether every request may be repeated, gRPC calls and POST as well. Methods that HTTP "
         "calls idempotent always may."},
    Note{"policy.retries.conditions",
         "",
         "What must have happened. Default: reset, timeout, unavailable, http_502, http_503, "
         "http_504."},
    Note{
        "policy.retries.conditions.[]",
        "",
        "reset: the stream was reset, or the connection broke. timeout: timeout.perTry has passed. "
        "Others: a gRPC or HTTP status."},
    Note{"policy.retries.budget", "", "How many retries there may be."},
    Note{"policy.retries.budget.ratio",
         "0.2",
         "Retries for each request of the window, from 0 to 1."},
    Note{"policy.retries.budget.minPerSecond", "10", "Retries that are allowed besides."},
    Note{"policy.retries.budget.window", "10s", "Time over which both are counted."},
    Note{
        "policy.retries.hedgingDelay",
        "none",
        "Where requests may be repeated (idempotent): without a reply's head for so long, a second "
        "one is sent to another pod, and the first reply counts. p95: when it has taken longer "
        "than "
        "95 of 100 do. none: never."},
    Note{"policy.limits", "", "Limits of load."},
    Note{
        "policy.limits.concurrency",
        "adaptive",
        "A number: so many requests are with the pods of this Service port at a time, and the "
        "others wait. adaptive: while calls end after their deadlines, fewer of them are sent at a "
        "time, and the others refused at once. none: all are sent."},
    Note{"policy.limits.perEndpoint",
         "0",
         "So many requests are with each of the pods at a time, and the others wait; 0: as many as "
         "come."},
    Note{"policy.limits.queue", "", "Requests that wait for a pod they can be sent to."},
    Note{"policy.limits.queue.size",
         "1000",
         "Requests of one Service port that may wait on one worker."},
    Note{"policy.limits.queue.timeout", "3s", "Longest wait for a pod."},
    Note{"policy.ejection", "", "When a pod is taken out of the choice for a while."},
    Note{"policy.ejection.consecutive", "5", "Endpoint failures in a row; 0: they eject nobody."},
    Note{"policy.ejection.minPenalty",
         "1s",
         "Of the first ejection; each further one lasts twice as long, plus up to a half."},
    Note{"policy.ejection.maxPenalty", "60s", "Longest penalty, to which up to a half is added."},
    Note{"policy.ejection.maxPercent",
         "50",
         "Part of a Service's pods that may be ejected at a time, rounded down; never the last "
         "one."},
    Note{"policy.ejection.panicPercent",
         "20",
         "With a smaller part of the pods left, all of them are used; 0: never."},
    Note{"policy.ejection.successRate",
         "true",
         "Whether a pod that fails more often than the others is ejected."},
    Note{"policy.ejection.latencyFactor",
         "5",
         "A pod so many times as slow as the others is ejected; 0: none is."},
    Note{"policy.success", "", "Replies that count as a success in metrics and nodeway stat."},
    Note{"policy.success.grpc", "", "gRPC statuses. Default: OK."},
    Note{"policy.success.grpc.[]", "", "A gRPC status."},
    Note{"policy.success.http", "100-499", "HTTP statuses of other replies, with ranges."},
    Note{"policy.endpointFailure",
         "",
         "Replies that speak against the pod that sent them: enough of them eject it."},
    Note{"policy.endpointFailure.grpc",
         "",
         "gRPC statuses. Default: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, "
         "DATA_LOSS."},
    Note{"policy.endpointFailure.grpc.[]", "", "A gRPC status."},
    Note{"policy.endpointFailure.http",
         "429, 500, 502-999",
         "HTTP statuses of other replies, with ranges."},
    Note{"policy.upstreamProtocol",
         "",
         "Protocol spoken to the pods, whatever the Service's port says: h2c is HTTP/2 without "
         "TLS."},
};

const Note& note_of(std::string_view path) {
  const auto* const found = std::find_if(
      kNotes.begin(), kNotes.end(), [path](const Note& note) { return note.path == path; });
  assert(found != kNotes.end() && "each field of the configuration has a note");
  return *found;
}

std::string domain_pattern() {
  return fmt::format(R"(^{0}(?:\.{0})*$)", kLabel);
}

std::string service_key_pattern() {
  return fmt::format(R"(^{0}\.{0}(?::{1})?$)", kLabel, number_pattern(1, kMostPort));
}

std::string zone_name_pattern() {
  return fmt::format("^[a-zA-Z0-9](?:[-_.a-zA-Z0-9]{{0,{}}}[a-zA-Z0-9])?$", kMaxZoneNameBytes - 2);
}

std::string external_name_pattern() {
  // The name's length, labels of which the last is no number, a port.
  return fmt::format(R"(^(?=[^:]{{1,{1}}}(?::|$))(?:{0}\.)+(?![0-9]+(?::|$)){0}(?::{2})?$)",
                     kLabel,
                     kMaxDnsNameBytes,
                     number_pattern(1, kMostPort));
}

std::string http_statuses_pattern() {
  const std::string status = number_pattern(ReplyClass::kMinHttpStatus, ReplyClass::kMaxHttpStatus);
  return fmt::format(R"(^(?:{0}(?:-{0})?(?:, *{0}(?:-{0})?)*)?$)", status);
}

std::string text_pattern(std::string_view path) {
  if (path == "clusterDomain") {
    return domain_pattern();
  }
  if (path == "callers.allow.[]") {
    return "^(?:node-pods|loopback|[0-9a-fA-F.:]+(?:/[0-9]{1,3})?)$";
  }
  if (path == "externalNames.[]") {
    return external_name_pattern();
  }
  if (path == "identifiers.[].header.name" || path.starts_with(kHashOn)) {
    return "^[-a-zA-Z0-9!#$%&'*+.^_`|~]+$";
  }
  if (path == "identifiers.[].grpc-path.template") {
    return R"(^[-a-z0-9{}]+\.[-a-z0-9{}]+(?::[0-9]+)?$)";
  }
  if (path.ends_with(".http")) {
    return http_statuses_pattern();
  }
  return path.starts_with("identifiers.") ? service_key_pattern() : fmt::format("^{}$", kLabel);
}

Json schema_of(const ConfigShape& shape, const std::string& path);

/// Says in a schema what a value of each kind looks like. A field left empty is as good as left
/// out, therefore all but the document and its version may be null.
struct KindWriter {
  const ConfigShape& shape;
  const std::string& path;
  Json& schema;

  void operator()(const ConfigShape::Nothing& /*kind*/) const {
    assert(false && "each field of the configuration is read");
  }
  void operator()(const ConfigShape::Fields& /*kind*/) const {
    schema["type"] = path.empty() ? Json("object") : Json{"object", "null"};
    Json properties = Json::object();
    Json required = Json::array();
    for (const ConfigShape& member : shape.members) {
      const std::string inner = path == "defaults" ? "policy" : path;
      properties[member.name] =
          schema_of(member, inner.empty() ? member.name : inner + "." + member.name);
      if (std::holds_alternative<ConfigShape::Constant>(member.takes)) {
        required.push_back(member.name);
      }
    }
    schema["properties"] = std::move(properties);
    schema["additionalProperties"] = false;
    if (!required.empty()) {
      schema["required"] = std::move(required);
    }
  }
  void operator()(const ConfigShape::Items& /*kind*/) const {
    schema["type"] = {"array", "null"};
    schema["items"] = schema_of(shape.members.front(), path + ".[]");
    if (path == "identifiers") {
      schema["minItems"] = 1;
    }
    if (path == "externalNames") {
      schema["maxItems"] = kMaxExternalNames;
    }
  }
  void operator()(const ConfigShape::OneOf& /*kind*/) const {
    Json names = Json::array();
    Json properties = Json::object();
    for (const ConfigShape& member : shape.members) {
      if (!std::holds_alternative<ConfigShape::Text>(member.takes)) {  // which it cannot do without
        names.push_back(member.name);
      }
      properties[member.name] = schema_of(member, path + "." + member.name);
    }
    if (!path.ends_with("[]")) {
      names.push_back(nullptr);
    }
    schema["anyOf"] = {{{"enum", std::move(names)}},
                       {{"type", "object"},
                        {"properties", std::move(properties)},
                        {"additionalProperties", false},
                        {"minProperties", 1},
                        {"maxProperties", 1}}};
  }
  void operator()(const ConfigShape::Flag& /*kind*/) const { schema["type"] = {"boolean", "null"}; }
  void operator()(const ConfigShape::Entries& /*kind*/) const {
    schema["type"] = {"object", "null"};
    if (path != "services") {
      schema["additionalProperties"] =
          schema_of(shape.members.front(), path + "." + shape.members.front().name);
      if (path.starts_with(kWeights)) {
        schema["propertyNames"] = weighed_names();
        schema["maxProperties"] = kMaxWeights;
      }
      return;
    }
    schema["propertyNames"] = {
        {"pattern", service_key_pattern()},
        {"patternErrorMessage", "name.namespace or name.namespace:port is expected"}};
    schema["additionalProperties"] = schema_of(shape.members.front(), "policy");
  }
  [[nodiscard]] Json weighed_names() const {
    if (path.ends_with(".zones")) {
      return {{"pattern", zone_name_pattern()}};
    }
    if (path.ends_with(".nodes")) {
      return {{"pattern", domain_pattern()}, {"maxLength", kMaxDnsNameBytes}};
    }
    return {{"pattern", fmt::format("^{}$", kLabel)}};
  }
  void operator()(const ConfigShape::Text& /*kind*/) const {
    schema["type"] = path.starts_with(kHashOn) ? Json("string") : Json{"string", "null"};
    schema["pattern"] = text_pattern(path);
    if (path == "clusterDomain") {
      schema["maxLength"] = kMaxClusterDomainBytes;
    }
  }
  void operator()(const ConfigShape::Constant& kind) const {
    schema["type"] = "integer";
    schema["const"] = kind.number;
  }
  void operator()(const CountRange& range) const {
    schema["type"] = {"integer", "null"};
    schema["minimum"] = range.least;
    schema["maximum"] = range.most;
  }
  void operator()(const FractionRange& range) const {
    schema["type"] = {"number", "null"};
    schema["minimum"] = range.least;
    schema["maximum"] = range.most;
  }
  void operator()(const DurationRange& range) const {
    schema["type"] = {"string", "null"};
    schema["pattern"] = duration_pattern(range);
    if (range.zero_too) {  // the number 0, without a unit and without quotes
      schema["type"] = {"string", "integer", "null"};
      schema["minimum"] = 0;
      schema["maximum"] = 0;
    }
    schema["patternErrorMessage"] =
        fmt::format("a duration from {} to {}{} is expected, such as 500ms, 1.5s or 1m30s",
                    format_duration(range.least),
                    format_duration(range.most),
                    range.zero_too ? ", or 0 for none," : "");
  }
  void operator()(const ConfigShape::ChoiceOrDuration& kind) const {
    schema["type"] = {"string", "null"};
    std::string pattern = duration_pattern(kind.range);
    for (const std::string_view name : kind.names) {
      pattern = fmt::format("^{}$|{}", name, pattern);
    }
    schema["pattern"] = std::move(pattern);
    schema["patternErrorMessage"] = fmt::format("{}, or a duration from {} to {} is expected",
                                                fmt::join(kind.names, ", "),
                                                format_duration(kind.range.least),
                                                format_duration(kind.range.most));
  }
  void operator()(const ConfigShape::Choice& kind) const {
    schema["type"] = {"string", "null"};
    schema["enum"] = kind.names;
    schema["enum"].push_back(nullptr);
  }
  void operator()(const ConfigShape::ChoiceOrCount& kind) const {
    Json names = kind.names;
    names.push_back(nullptr);
    schema["anyOf"] = {
        {{"type", "integer"}, {"minimum", kind.range.least}, {"maximum", kind.range.most}},
        {{"enum", std::move(names)}}};
  }
};

std::string description_of(const Note& note, const ConfigShape& shape) {
  if (const auto* range = std::get_if<DurationRange>(&shape.takes)) {
    return fmt::format(
        "{} {} to {}.", note.text, format_duration(range->least), format_duration(range->most));
  }
  return std::string{note.text};
}

Json schema_of(const ConfigShape& shape, const std::string& path) {
  const Note& note = note_of(path);
  Json schema = {{"description", description_of(note, shape)}};
  std::visit(KindWriter{.shape = shape, .path = path, .schema = schema}, shape.takes);
  if (!note.standard.empty()) {
    const bool is_text = !std::holds_alternative<CountRange>(shape.takes) &&
                         !std::holds_alternative<FractionRange>(shape.takes) &&
                         !std::holds_alternative<ConfigShape::Flag>(shape.takes);
    schema["default"] = !is_text ? Json::parse(note.standard) : Json(note.standard);
  }
  return schema;
}

}  // namespace

std::string config_schema() {
  constexpr int kIndent = 2;
  const ConfigShape document = survey_config();
  Json schema = {
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"title", "nodeway configuration"},
      {"description",
       "What the key nodeway.yaml of ConfigMap nodeway holds. See docs/configuration.md."}};
  const std::string root;
  KindWriter{.shape = document, .path = root, .schema = schema}(ConfigShape::Fields{});
  return schema.dump(kIndent) + "\n";
}

}  // namespace router::control
