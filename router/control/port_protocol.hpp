// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/route/policy.hpp"

#include <string_view>

namespace router::control {

/// What the name and the `appProtocol` of a Service's port tell of the protocol that its pods
/// speak.
struct PortProtocol {
  UpstreamProtocol protocol = UpstreamProtocol::as_caller;
  bool names_http = false;  ///< one of the two is an HTTP/1.1 one
  bool names_h2 = false;    ///< one of the two is an HTTP/2 one

  bool operator==(const PortProtocol&) const = default;
};

/// `appProtocol` decides if it is one that we know, else the name: its beginning up to the first
/// `-`. Both may be empty.
/// Source: KEP-3726 (`kubernetes.io/…`); Istio's protocol selection (`grpc`, `http2`, prefixes).
[[nodiscard]] PortProtocol protocol_of_port(std::string_view name, std::string_view app_protocol);

}  // namespace router::control
