// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/tls_context.hpp"

#include "k8s_client/credentials.hpp"

#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>

namespace k8s_client {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

namespace {

Failure failure_in(const char* what, const Secret& secret, const error_code& why) {
  const std::string where = secret.file.empty() ? "" : " " + secret.file.string();
  return {why, what + where + ": " + why.message()};
}

Result<void> trust(ssl::context& context, const Secret& ca) {
  error_code problem;
  if (!ca.is_set()) {
    context.set_default_verify_paths(problem);
  } else {
    const Result<std::string> pem = read_secret(ca);
    if (!pem) {
      return pem.error();
    }
    context.add_certificate_authority(asio::buffer(*pem), problem);
  }
  if (problem) {
    return failure_in("certificate authority", ca, problem);
  }
  return {};
}

Result<void> identify(ssl::context& context, const Secret& certificate, const Secret& key) {
  const Result<std::string> chain_pem = read_secret(certificate);
  if (!chain_pem) {
    return chain_pem.error();
  }
  const Result<std::string> key_pem = read_secret(key);
  if (!key_pem) {
    return key_pem.error();
  }
  error_code problem;
  context.use_certificate_chain(asio::buffer(*chain_pem), problem);
  if (problem) {
    return failure_in("client certificate", certificate, problem);
  }
  context.use_private_key(asio::buffer(*key_pem), ssl::context::pem, problem);
  if (problem) {
    return failure_in("client key", key, problem);
  }
  return {};
}

}  // namespace

Result<ssl::context> make_tls_context(const ApiServer& server) {
  ssl::context context{ssl::context::tls_client};
  if (!server.tls) {
    return context;
  }
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (server.verify_peer) {
    context.set_verify_mode(ssl::verify_peer);
    const Result<void> trusted = trust(context, server.ca);
    if (!trusted) {
      return trusted.error();
    }
  }
  if (server.client_certificate.is_set()) {
    const Result<void> identified = identify(context, server.client_certificate, server.client_key);
    if (!identified) {
      return identified.error();
    }
  }
  return context;
}

}  // namespace k8s_client
