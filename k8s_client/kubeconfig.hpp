// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/errc.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace k8s_client {

struct Kubeconfig {
  ApiServer server;
  std::string default_namespace;      ///< of the context; "" if it names none
  std::vector<std::string> warnings;  ///< one line each, for the log
};

/// Reads the file's `current-context`. `bad_file`: the text names the file and the field.
///
/// Taken: server, tls-server-name, certificate-authority(-data), insecure-skip-tls-verify (with a
/// warning), token, tokenFile, client-certificate(-data), client-key(-data). Refused, since they
/// would silently be missing: exec, auth-provider, username, as (impersonation), proxy-url.
/// Relative paths start from the file's own folder. Source: client-go
/// `tools/clientcmd/api/v1/types.go`.
[[nodiscard]] Result<Kubeconfig> read_kubeconfig(const std::filesystem::path& file);

/// The same for a text that is already here; `file` names it in errors and is the start of relative
/// paths.
[[nodiscard]] Result<Kubeconfig> parse_kubeconfig(std::string_view text,
                                                  const std::filesystem::path& file);

/// The API server that is meant: that of the kubeconfig, or with an empty path that of the pod we
/// are in (`in_cluster`). To be called before there are threads.
[[nodiscard]] Result<Kubeconfig> find_api_server(const std::filesystem::path& kubeconfig);

}  // namespace k8s_client
