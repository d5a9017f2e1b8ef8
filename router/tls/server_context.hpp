// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <variant>

#include <boost/asio/ssl/context.hpp>

namespace router::tls {

class ServerContext;
/// Shared by the cores and the sessions that began with it: OpenSSL lets threads make sessions of
/// one context, and only so does a ticket that one core has given hold on the others.
using ServerContextPtr = std::shared_ptr<const ServerContext>;

/// What TLS clients are shown and offered: a certificate chain with its key, TLS 1.2 and 1.3 with
/// the cipher suites that HTTP/2 allows, `h2` and `http/1.1` by ALPN. Immutable; any thread.
///
/// A client whose ALPN names neither is refused; one without ALPN is taken for HTTP/1.1. No
/// renegotiation, no compression, no early data. Source: RFC 7301 section 3.2, RFC 9113
/// section 9.2.
class ServerContext {
 public:
  /// From PEM text, the certificate first in its chain; or one line that says what is wrong with
  /// which of the two.
  [[nodiscard]] static std::variant<ServerContextPtr, std::string> make(
      const std::string& chain_pem, const std::string& key_pem);

  explicit ServerContext(boost::asio::ssl::context context);

  [[nodiscard]] SSL_CTX* native() const noexcept { return native_; }
  /// The end of the certificate's validity.
  [[nodiscard]] std::chrono::system_clock::time_point expires_at() const noexcept {
    return expires_at_;
  }

 private:
  boost::asio::ssl::context context_;
  SSL_CTX* native_;
  std::chrono::system_clock::time_point expires_at_;
};

}  // namespace router::tls
