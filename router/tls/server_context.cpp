// SPDX-License-Identifier: Apache-2.0
#include "router/tls/server_context.hpp"

#include <array>
#include <ctime>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>

namespace router::tls {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

namespace {

/// Those of TLS 1.2 that RFC 9113 appendix A does not prohibit: ephemeral keys, authenticated
/// ciphers.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// In the form of RFC 7301: each name behind its length.
constexpr std::string_view kProtocols = "\x02h2\x08http/1.1";

extern "C" int choose_protocol(SSL* /*session*/,
                               const unsigned char** chosen,
                               unsigned char* chosen_bytes,
                               const unsigned char* offered,
                               unsigned int offered_bytes,
                               void* /*context*/) noexcept {
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found,
                            chosen_bytes,
                            reinterpret_cast<const unsigned char*>(kProtocols.data()),
                            static_cast<unsigned int>(kProtocols.size()),
                            offered,
                            offered_bytes);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_rules(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  SSL_CTX_set_options(context,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                          SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // A session's 32 KiB of buffers are given back while it is idle. Tickets need no cache, whose
  // lock the cores would share.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
}

std::chrono::system_clock::time_point end_of_validity(SSL_CTX* context) {
  std::tm calendar{};
  ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &calendar);
  return std::chrono::system_clock::from_time_t(::timegm(&calendar));
}

}  // namespace

std::variant<ServerContextPtr, std::string> ServerContext::make(const std::string& chain_pem,
                                                                const std::string& key_pem) {
  ssl::context context{ssl::context::tls_server};
  boost::system::error_code problem;
  // Else OpenSSL would ask for the passphrase of an encrypted key at the terminal.
  context.set_password_callback([](std::size_t, ssl::context::password_purpose) { return ""; },
                                problem);
  context.use_certificate_chain(asio::buffer(chain_pem), problem);
  if (problem) {
    return "the certificate cannot be used: " + problem.message();
  }
  ERR_clear_error();
  context.use_private_key(asio::buffer(key_pem), ssl::context::pem, problem);
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(problem.value()));
  if (problem && (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)) {
    return "the key is not that of the certificate";
  }
  if (problem) {
    return "the key cannot be used: " + problem.message();
  }
  set_rules(context.native_handle());
  return std::make_shared<const ServerContext>(std::move(context));
}

ServerContext::ServerContext(ssl::context context)
    : context_{std::move(context)},
      native_{context_.native_handle()},
      expires_at_{end_of_validity(native_)} {}

}  // namespace router::tls
