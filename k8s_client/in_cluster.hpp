// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/errc.hpp"

#include <filesystem>
#include <string>

namespace k8s_client {

/// What Kubernetes tells each of its pods about the API server.
struct PodEnvironment {
  std::string service_host;  ///< `KUBERNETES_SERVICE_HOST`: an address, also IPv6 without brackets
  std::string service_port;  ///< `KUBERNETES_SERVICE_PORT`
  std::filesystem::path mount = "/var/run/secrets/kubernetes.io/serviceaccount";

  /// Reads the environment of this process. To be called before there are threads.
  [[nodiscard]] static PodEnvironment of_this_process();
};

/// The API server as seen from a pod: its ServiceAccount's token and CA, both read again as they
/// rotate. `not_in_cluster`: a variable or a file is missing; the text says which. Source:
/// kubernetes.io "Accessing the Kubernetes API from a Pod"; client-go `rest.InClusterConfig`.
[[nodiscard]] Result<ApiServer> in_cluster(const PodEnvironment& environment);

}  // namespace k8s_client
