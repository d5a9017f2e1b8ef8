// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/resolve/callers.hpp"
#include "router/route/reply_class.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What single values of the configuration document mean.
namespace router::control {

/// The parts between the separators; one at least.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// `10.0.0.0/8`, `fd00::/8`, or one address. Bits behind the prefix are a mistake, for which nobody
/// should be let in.
[[nodiscard]] std::optional<AddressRange> parse_range(std::string_view text);

/// A key of `services`: what it names, or in words why it is none.
struct ServiceKey {
  std::string service;  ///< `name.namespace`
  std::optional<std::uint16_t> port;
  std::string problem;
};

[[nodiscard]] ServiceKey parse_service_key(std::string_view key);

/// Whether a node may have that name: a DNS name of any number of labels.
[[nodiscard]] bool is_node_name(std::string_view text);

/// Whether a zone may have that name: a label of its nodes has it for its value. Source:
/// Kubernetes, "Labels and Selectors".
[[nodiscard]] bool is_zone_name(std::string_view text);

inline constexpr std::size_t kMaxZoneNameBytes = 63;  ///< the same source

/// An item of `externalNames`.
struct ExternalName {
  static constexpr std::uint16_t kDefaultPort = 80;

  std::string name;
  std::uint16_t port = kDefaultPort;
};
/// `api.example.com` or `api.example.com:8080`. Of several labels, as all names outside of the
/// cluster have; no address, whose last label is a number.
[[nodiscard]] std::optional<ExternalName> parse_external_name(std::string_view text);

/// `429, 500-599`: statuses and ranges of them, from 100 to 999. Empty text is the empty set.
[[nodiscard]] std::optional<ReplyClass::HttpStatuses> parse_http_statuses(std::string_view text);

}  // namespace router::control
