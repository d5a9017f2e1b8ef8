// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/log.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace CLI {
class App;
}

namespace router {

/// Where a socket listens, here or elsewhere. An empty host means every address of the machine,
/// IPv4 and IPv6 on one socket.
struct ListenAddress {
  std::string host;  ///< numeric, IPv6 without brackets
  std::uint16_t port = 0;

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// The cluster's own API server; `kubeconfig` empty: the one of the pod that we run in.
struct KubernetesSource {
  std::filesystem::path kubeconfig;
};

/// A folder of Kubernetes YAML instead of a cluster.
struct FilesSource {
  std::filesystem::path folder;
};

/// Where the manifests put us; holds for whoever does not know its own namespace.
inline constexpr const char* kDefaultPodNamespace = "nodeway-system";

/// What `nodeway run` was told, validated.
struct Config {
  std::vector<ListenAddress> listen;
  std::vector<ListenAddress> tls_listen;  ///< with TLS; often none
  std::filesystem::path
      tls_certificate;  ///< PEM, with its chain; empty if nothing listens with TLS
  std::filesystem::path tls_key;
  ListenAddress admin;
  std::variant<KubernetesSource, FilesSource> source;
  std::string node;  ///< our node's name; may be empty
  std::string pod_namespace;
  std::optional<std::filesystem::path> config_file;
  std::optional<std::filesystem::path> saved_view;  ///< the folder
  std::vector<ListenAddress> dns_servers;  ///< for external names; none: those of /etc/resolv.conf
  std::uint32_t workers = 1;
  std::chrono::nanoseconds drain_timeout{0};
  telemetry::LogLevel log_level = telemetry::LogLevel::info;
  telemetry::LogFormat log_format = telemetry::LogFormat::json;
};

/// What the flags' defaults are taken from, apart from themselves.
struct Environment {
  std::string node_name{};            ///< NODE_NAME
  std::string pod_namespace{};        ///< POD_NAMESPACE
  bool is_in_pod = false;             ///< KUBERNETES_SERVICE_HOST is set
  std::uint32_t n_cpus = 1;           ///< that this process may use
  std::optional<double> cpu_limit{};  ///< of the cgroup, in CPUs; nothing if it has none

  /// Of this process. To be called before there are threads.
  [[nodiscard]] static Environment of_this_process();
};

/// The flags as they are written, with the defaults of those that are left out.
struct RunFlags {
  std::vector<std::string> listen;
  std::vector<std::string> tls_listen;
  std::string tls_cert;
  std::string tls_key;
  std::string admin;
  std::string source;
  std::string kubeconfig;
  std::string node;
  std::string config;
  std::string saved_view;
  std::vector<std::string> dns_servers;
  std::uint32_t workers = 0;  ///< 0: left out
  std::string drain_timeout;
  std::string log_level;
  std::string log_format;
};

/// Adds the flags of `nodeway run`; `flags` must outlive the parsing.
void add_run_flags(CLI::App& command, RunFlags& flags);

/// A `Config`, or one clear line that says which flag is wrong and why.
[[nodiscard]] std::variant<Config, std::string> validate(const RunFlags& flags,
                                                         const Environment& environment);

/// `ADDR:PORT`, `[IPv6]:PORT` or `:PORT` with a numeric address; nothing if it is none of these.
[[nodiscard]] std::optional<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace router
