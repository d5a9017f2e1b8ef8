// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

/// What the admin endpoint says and how it is written in JSON; the CLI reads it by the same
/// functions.
namespace router::admin {

/// One Service in a window of time, as this node saw it.
struct StatRow {
  std::string service_namespace{};  ///< both empty: requests that named no Service
  std::string name{};
  std::uint32_t endpoints_ready = 0;
  std::uint32_t endpoints_total = 0;
  std::optional<double> success_ratio{};  ///< 0 to 1; nothing if no request ended
  double rps = 0;                         ///< requests that ended, per second
  std::optional<double> latency_p50_ms{};
  std::optional<double> latency_p95_ms{};
  std::optional<double> latency_p99_ms{};
  std::uint64_t tcp_conn = 0;  ///< open to its endpoints now

  friend bool operator==(const StatRow&, const StatRow&) = default;
};

struct Stat {
  double window_seconds = 0;  ///< what the rows really span
  std::vector<StatRow> rows;  ///< by namespace and name

  friend bool operator==(const Stat&, const Stat&) = default;
};

/// One endpoint of one Service port, summed over the workers.
struct EndpointRow {
  std::string service_namespace{};
  std::string service{};
  std::uint16_t port = 0;
  std::string address{};
  std::string pod{};
  std::string state{};  ///< the best that any worker has: ready, connecting, ejected, unreachable,
                        ///< unselected, draining; unused: none has looked at it
  std::uint64_t requests = 0;  ///< since the endpoint was first seen
  std::uint64_t failures = 0;
  std::uint64_t in_flight = 0;
  std::optional<double>
      latency_ms;  ///< the balancer's estimates of now, weighted by the workers' requests
  std::optional<double> age_seconds{};  ///< since it was first selected; nothing if it is no more
  std::uint64_t connections = 0;
  std::optional<double> weight{};  ///< in the choice, mean of the workers; nothing if in none
  std::string ejected_for{};       ///< on any worker; one of telemetry::kEjectionCauseNames, or ""

  friend bool operator==(const EndpointRow&, const EndpointRow&) = default;
};

/// How fresh the view of one resource is. Written by `Pages`, with more beside it.
struct ViewRow {
  std::string resource{};
  bool fresh = false;
  bool watching = false;
  std::optional<double> last_contact_age_seconds{};  ///< nothing for a folder
  std::string last_error{};                          ///< "" while all is well
};

void to_json(nlohmann::json& json, const StatRow& row);
void to_json(nlohmann::json& json, const Stat& stat);
void to_json(nlohmann::json& json, const EndpointRow& row);

/// These throw nlohmann::json::exception where a field is missing or of a wrong type. Unknown
/// fields are ignored.
void from_json(const nlohmann::json& json, StatRow& row);
void from_json(const nlohmann::json& json, Stat& stat);
void from_json(const nlohmann::json& json, EndpointRow& row);
void from_json(const nlohmann::json& json, ViewRow& row);

}  // namespace router::admin
