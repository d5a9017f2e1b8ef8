// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace k8s_client {

/// A piece of text (token, PEM) that stands here itself, or in a file which is read again as it
/// rotates. Both empty: there is none. The text wins over the file.
struct Secret {
  std::string text;
  std::filesystem::path file;

  [[nodiscard]] bool is_set() const noexcept { return !text.empty() || !file.empty(); }
  bool operator==(const Secret&) const = default;
};

/// Where the API server is, how it proves itself, and how we do. Made by `in_cluster` or
/// `kubeconfig`.
struct ApiServer {
  bool tls = true;     ///< false only for `http://` URLs: tests and `kubectl proxy`
  std::string host{};  ///< name or address; IPv6 without brackets
  std::uint16_t port = 443;
  std::string path_prefix{};  ///< before `/api…`, without a slash at its end; mostly ""
  std::string server_name{};  ///< the name that its certificate must bear; "" means `host`
  bool verify_peer =
      true;        ///< false only where the operator wrote `insecure-skip-tls-verify: true`
  Secret ca{};     ///< PEM; not set: the machine's own authorities
  Secret token{};  ///< bearer token
  Secret client_certificate{};
  Secret client_key{};

  bool operator==(const ApiServer&) const = default;
};

}  // namespace k8s_client
