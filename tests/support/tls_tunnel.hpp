// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace test {

/// A TLS client of the router that lends its connection to a plain one: what a client writes to
/// `port` arrives encrypted, and back. So every client of these parts can speak TLS.
class TlsTunnel {
 public:
  struct Options {
    std::uint16_t router_port;
    std::filesystem::path ca;  ///< whom to trust; the router must be 127.0.0.1
    std::string alpn = "h2";   ///< the protocol to offer; empty: no ALPN
    int tls_version = 0;       ///< OpenSSL's number of the only version to speak; 0: any
  };

  /// Connects and leads the handshake to its end; throws a `Failure` with OpenSSL's reason.
  explicit TlsTunnel(const Options& options);
  TlsTunnel(const TlsTunnel&) = delete;
  TlsTunnel& operator=(const TlsTunnel&) = delete;
  ~TlsTunnel();

  /// Of loopback; takes one client.
  [[nodiscard]] std::uint16_t port() const;
  /// What ALPN has chosen; empty if nothing.
  [[nodiscard]] std::string protocol() const;
  [[nodiscard]] std::string tls_version() const;  ///< such as `TLSv1.3`
  /// Of the router's certificate.
  [[nodiscard]] std::string issuer() const;

 private:
  class State;
  std::unique_ptr<State> state_;  // keeps Asio out of the other sources
};

}  // namespace test
