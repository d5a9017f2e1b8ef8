// SPDX-License-Identifier: Apache-2.0
#include "router/control/port_protocol.hpp"

#include <string>

#include <catch2/catch.hpp>

using router::UpstreamProtocol;
using router::control::protocol_of_port;

TEST_CASE("protocol_of_port: appProtocol decides, then the name up to its first dash",
          "[port_protocol]") {
  const auto [name, app, expected] = GENERATE(table<std::string, std::string, UpstreamProtocol>({
      {"", "", UpstreamProtocol::as_caller},
      {"metrics", "", UpstreamProtocol::as_caller},
      {"grpc", "", UpstreamProtocol::h2c},
      {"grpc-api", "", UpstreamProtocol::h2c},
      {"grpcapi", "", UpstreamProtocol::as_caller},
      {"api-grpc", "", UpstreamProtocol::as_caller},
      {"h2c", "", UpstreamProtocol::h2c},
      {"http2", "", UpstreamProtocol::h2c},
      {"http2-a", "", UpstreamProtocol::h2c},
      {"http", "", UpstreamProtocol::http1},
      {"http-web", "", UpstreamProtocol::http1},
      {"https", "", UpstreamProtocol::as_caller},
      {"", "kubernetes.io/h2c", UpstreamProtocol::h2c},
      {"", "kubernetes.io/ws", UpstreamProtocol::http1},
      {"", "kubernetes.io/wss", UpstreamProtocol::tls},
      {"", "grpc", UpstreamProtocol::h2c},
      {"", "http2", UpstreamProtocol::h2c},
      {"", "HTTP2", UpstreamProtocol::h2c},
      {"", "http", UpstreamProtocol::http1},
      {"", "https", UpstreamProtocol::tls},
      {"", "wss", UpstreamProtocol::tls},
      {"grpc", "http", UpstreamProtocol::http1},
      {"http", "kubernetes.io/h2c", UpstreamProtocol::h2c},
      {"http", "example.com/own", UpstreamProtocol::http1},
      {"http", "tcp", UpstreamProtocol::http1},
  }));
  CAPTURE(name, app);

  CHECK(protocol_of_port(name, app).protocol == expected);
}

TEST_CASE("protocol_of_port: both name and appProtocol can make a port one for HTTP",
          "[port_protocol]") {
  CHECK(protocol_of_port("http", "grpc").names_http);
  CHECK(protocol_of_port("http", "grpc").names_h2);
  CHECK(protocol_of_port("http-web", "").names_http);
  CHECK_FALSE(protocol_of_port("http-web", "").names_h2);
  CHECK(protocol_of_port("web", "kubernetes.io/ws").names_http);
  CHECK_FALSE(protocol_of_port("web", "https").names_http);
  CHECK_FALSE(protocol_of_port("metrics", "").names_h2);
}
