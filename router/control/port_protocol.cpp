// SPDX-License-Identifier: Apache-2.0
#include "router/control/port_protocol.hpp"

#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace router::control {
namespace {

struct Meaning {
  std::string_view text;
  UpstreamProtocol protocol;
};

constexpr std::array kAppProtocols{
    Meaning{"kubernetes.io/h2c", UpstreamProtocol::h2c},
    Meaning{"grpc", UpstreamProtocol::h2c},
    Meaning{"h2c", UpstreamProtocol::h2c},
    Meaning{"http2", UpstreamProtocol::h2c},
    Meaning{"kubernetes.io/ws", UpstreamProtocol::http1},
    Meaning{"http", UpstreamProtocol::http1},
    Meaning{"kubernetes.io/wss", UpstreamProtocol::tls},
    Meaning{"https", UpstreamProtocol::tls},
    Meaning{"wss", UpstreamProtocol::tls},
};

constexpr std::array kNames{
    Meaning{"grpc", UpstreamProtocol::h2c},
    Meaning{"h2c", UpstreamProtocol::h2c},
    Meaning{"http2", UpstreamProtocol::h2c},
    Meaning{"http", UpstreamProtocol::http1},
};

UpstreamProtocol look_up(std::span<const Meaning> meanings, std::string_view text) {
  const auto found = std::find_if(
      meanings.begin(), meanings.end(), [text](const Meaning& m) { return m.text == text; });
  return found == meanings.end() ? UpstreamProtocol::as_caller : found->protocol;
}

}  // namespace

PortProtocol protocol_of_port(std::string_view name, std::string_view app_protocol) {
  const UpstreamProtocol by_app = look_up(kAppProtocols, in_lower_case(app_protocol));
  const UpstreamProtocol by_name = look_up(kNames, name.substr(0, name.find('-')));
  return {
      .protocol = by_app == UpstreamProtocol::as_caller ? by_name : by_app,
      .names_http = by_app == UpstreamProtocol::http1 || by_name == UpstreamProtocol::http1,
      .names_h2 = by_app == UpstreamProtocol::h2c || by_name == UpstreamProtocol::h2c,
  };
}

}  // namespace router::control
