// SPDX-License-Identifier: Apache-2.0
#include "router/admin/rows.hpp"

#include <nlohmann/json.hpp>

namespace router::admin {
namespace {

using nlohmann::json;

json or_null(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}

std::optional<double> optional_number(const json& object, const char* key) {
  const json& value = object.at(key);
  return value.is_null() ? std::nullopt : std::optional{value.get<double>()};
}

}  // namespace

void to_json(json& json, const StatRow& row) {
  json = {{"namespace", row.service_namespace},
          {"name", row.name},
          {"endpoints_ready", row.endpoints_ready},
          {"endpoints_total", row.endpoints_total},
          {"success_ratio", or_null(row.success_ratio)},
          {"rps", row.rps},
          {"latency_p50_ms", or_null(row.latency_p50_ms)},
          {"latency_p95_ms", or_null(row.latency_p95_ms)},
          {"latency_p99_ms", or_null(row.latency_p99_ms)},
          {"tcp_conn", row.tcp_conn}};
}

void to_json(json& json, const Stat& stat) {
  json = {{"window_seconds", stat.window_seconds}, {"rows", stat.rows}};
}

void to_json(json& json, const EndpointRow& row) {
  json = {{"namespace", row.service_namespace},
          {"service", row.service},
          {"port", row.port},
          {"address", row.address},
          {"pod", row.pod},
          {"state", row.state},
          {"requests", row.requests},
          {"failures", row.failures},
          {"in_flight", row.in_flight},
          {"latency_ms", or_null(row.latency_ms)},
          {"age_seconds", or_null(row.age_seconds)},
          {"connections", row.connections},
          {"weight", or_null(row.weight)},
          {"ejected_for", row.ejected_for}};
}

void from_json(const json& json, StatRow& row) {
  json.at("namespace").get_to(row.service_namespace);
  json.at("name").get_to(row.name);
  json.at("endpoints_ready").get_to(row.endpoints_ready);
  json.at("endpoints_total").get_to(row.endpoints_total);
  row.success_ratio = optional_number(json, "success_ratio");
  json.at("rps").get_to(row.rps);
  row.latency_p50_ms = optional_number(json, "latency_p50_ms");
  row.latency_p95_ms = optional_number(json, "latency_p95_ms");
  row.latency_p99_ms = optional_number(json, "latency_p99_ms");
  json.at("tcp_conn").get_to(row.tcp_conn);
}

void from_json(const json& json, Stat& stat) {
  json.at("window_seconds").get_to(stat.window_seconds);
  json.at("rows").get_to(stat.rows);
}

void from_json(const json& json, EndpointRow& row) {
  json.at("namespace").get_to(row.service_namespace);
  json.at("service").get_to(row.service);
  json.at("port").get_to(row.port);
  json.at("address").get_to(row.address);
  json.at("pod").get_to(row.pod);
  json.at("state").get_to(row.state);
  json.at("requests").get_to(row.requests);
  json.at("failures").get_to(row.failures);
  json.at("in_flight").get_to(row.in_flight);
  row.latency_ms = optional_number(json, "latency_ms");
  row.age_seconds = optional_number(json, "age_seconds");
  json.at("connections").get_to(row.connections);
  row.weight = optional_number(json, "weight");
  json.at("ejected_for").get_to(row.ejected_for);
}

void from_json(const json& json, ViewRow& row) {
  json.at("resource").get_to(row.resource);
  json.at("fresh").get_to(row.fresh);
  json.at("watching").get_to(row.watching);
  row.last_contact_age_seconds = optional_number(json, "last_contact_age_seconds");
  json.at("last_error").get_to(row.last_error);
}

}  // namespace router::admin
