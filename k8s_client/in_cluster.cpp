// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/in_cluster.hpp"

#include <charconv>
#include <cstdlib>
#include <system_error>

namespace k8s_client {
namespace {

std::string variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): documented as a call from before the threads start
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

PodEnvironment PodEnvironment::of_this_process() {
  return {.service_host = variable("KUBERNETES_SERVICE_HOST"),
          .service_port = variable("KUBERNETES_SERVICE_PORT")};
}

Result<ApiServer> in_cluster(const PodEnvironment& environment) {
  ApiServer server{.host = environment.service_host,
                   .ca = {.text = {}, .file = environment.mount / "ca.crt"},
                   .token = {.text = {}, .file = environment.mount / "token"}};
  if (server.host.empty()) {
    return Failure{Errc::not_in_cluster, "KUBERNETES_SERVICE_HOST is not set"};
  }
  const std::string& port = environment.service_port;
  const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), server.port);
  if (problem != std::errc{} || end != port.data() + port.size() || server.port == 0) {
    return Failure{Errc::not_in_cluster, "KUBERNETES_SERVICE_PORT is no port: '" + port + "'"};
  }
  for (const auto& file : {server.ca.file, server.token.file}) {
    std::error_code ignored;  // whatever keeps us from seeing it, it is not there for us
    if (!std::filesystem::is_regular_file(file, ignored)) {
      return Failure{Errc::not_in_cluster, file.string() + ": no such file"};
    }
  }
  return server;
}

}  // namespace k8s_client
