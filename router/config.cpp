// SPDX-License-Identifier: Apache-2.0
#include "router/config.hpp"

#include "router/control/duration.hpp"
#include "router/cpu_limit.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>
#include <thread>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace router {
namespace {

// Defaults of the flags, each with its reason.
constexpr const char* kListen =
    ":4140";  // the port that linkerd 1 has made customary for this kind of router
constexpr const char* kAdmin =
    ":9990";  // on every address: the kubelet probes it and Prometheus reads it
constexpr const char* kDrainTimeout =
    "120s";  // longer than most calls, shorter than the pod's grace period
constexpr const char* kLogLevel = "info";   // changes of state, never single requests
constexpr const char* kLogFormat = "json";  // a cluster's logs are read by machines first
constexpr std::uint32_t kWorkersWithoutLimit =
    4;  // without a CPU limit: enough for a node, and no claim on all of it
constexpr std::uint32_t kMaxWorkers =
    256;  // each has its own pools and figures: more than that is a typing error
constexpr std::chrono::hours kMaxDrainTimeout{24};

constexpr std::string_view kFilesPrefix = "files:";
constexpr std::array<std::string_view, 4> kLogLevels{
    "debug", "info", "warning", "error"};  // in the order of LogLevel

std::string environment_variable(const char* name) {
  const char* const value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before there are threads
  return value == nullptr ? std::string{} : std::string{value};
}

/// Thrown inside `validate` only.
struct BadFlag {
  std::string line;
};

ListenAddress listen_address(std::string_view flag, const std::string& text) {
  if (const auto address = parse_listen_address(text)) {
    return *address;
  }
  throw BadFlag{fmt::format(
      "{}: '{}' is no ADDR:PORT, such as 127.0.0.1:4140, [::1]:4140 or :4140", flag, text)};
}

/// `taken`: those of the flags before.
std::vector<ListenAddress> listen_addresses(std::string_view flag,
                                            const std::vector<std::string>& texts,
                                            std::vector<ListenAddress> taken = {}) {
  std::vector<ListenAddress> all;
  for (const std::string& text : texts) {
    const ListenAddress address = listen_address(flag, text);
    if (address.port != 0 && std::find(taken.begin(), taken.end(), address) != taken.end()) {
      throw BadFlag{fmt::format("{}: '{}' is given twice", flag, text)};
    }
    taken.push_back(address);
    all.push_back(address);
  }
  return all;
}

void refuse_half_tls(const RunFlags& flags) {
  const bool has_listener = !flags.tls_listen.empty();
  if (has_listener && (flags.tls_cert.empty() || flags.tls_key.empty())) {
    throw BadFlag{"--tls-listen: needs --tls-cert FILE and --tls-key FILE"};
  }
  if (!has_listener && !(flags.tls_cert.empty() && flags.tls_key.empty())) {
    throw BadFlag{"--tls-cert, --tls-key: go with --tls-listen ADDR:PORT"};
  }
}

FilesSource files_source(const RunFlags& flags) {
  if (!flags.kubeconfig.empty()) {
    throw BadFlag{"--kubeconfig: goes with --source kubernetes, not with files"};
  }
  const std::filesystem::path folder = flags.source.substr(kFilesPrefix.size());
  std::error_code failed;
  if (!std::filesystem::is_directory(folder, failed)) {
    throw BadFlag{fmt::format("--source: '{}' is no folder", folder.string())};
  }
  return {folder};
}

std::variant<KubernetesSource, FilesSource> source(const RunFlags& flags,
                                                   const Environment& environment) {
  if (flags.source.starts_with(kFilesPrefix)) {
    return files_source(flags);
  }
  if (!flags.source.empty() && flags.source != "kubernetes") {
    throw BadFlag{fmt::format("--source: '{}' is neither kubernetes nor files:DIR", flags.source)};
  }
  if (flags.kubeconfig.empty() && !environment.is_in_pod) {
    throw BadFlag{"--source: outside of a pod, say files:DIR, or give --kubeconfig FILE"};
  }
  std::error_code failed;
  if (!flags.kubeconfig.empty() && !std::filesystem::exists(flags.kubeconfig, failed)) {
    throw BadFlag{fmt::format("--kubeconfig: there is no file '{}'", flags.kubeconfig)};
  }
  return KubernetesSource{flags.kubeconfig};
}

std::optional<std::filesystem::path> config_file(const RunFlags& flags) {
  if (flags.config.empty()) {
    return std::nullopt;
  }
  std::error_code failed;
  if (!std::filesystem::is_regular_file(flags.config, failed)) {
    throw BadFlag{fmt::format("--config: there is no file '{}'", flags.config)};
  }
  return flags.config;
}

std::optional<std::filesystem::path> saved_view(const RunFlags& flags) {
  if (flags.saved_view.empty()) {
    return std::nullopt;
  }
  if (flags.source.starts_with(kFilesPrefix)) {
    throw BadFlag{"--saved-view: goes with --source kubernetes, not with files"};
  }
  std::error_code failed;
  if (!std::filesystem::is_directory(flags.saved_view, failed)) {
    throw BadFlag{fmt::format("--saved-view: '{}' is no folder", flags.saved_view)};
  }
  return flags.saved_view;
}

std::vector<ListenAddress> dns_servers(const RunFlags& flags) {
  std::vector<ListenAddress> all;
  for (const std::string& text : flags.dns_servers) {
    const auto address = parse_listen_address(text);
    if (!address || address->host.empty() || address->port == 0) {
      throw BadFlag{fmt::format(
          "--dns-server: '{}' is no ADDR:PORT, such as 10.96.0.10:53 or [fd00::a]:53", text)};
    }
    all.push_back(*address);
  }
  return all;
}

std::uint32_t workers(const RunFlags& flags, const Environment& environment) {
  if (flags.workers > kMaxWorkers) {
    throw BadFlag{fmt::format("--workers: {} is more than {}", flags.workers, kMaxWorkers)};
  }
  if (flags.workers > 0) {
    return flags.workers;
  }
  if (environment.cpu_limit) {
    const double whole = std::clamp(std::ceil(*environment.cpu_limit), 1.0, double{kMaxWorkers});
    return static_cast<std::uint32_t>(whole);
  }
  return std::clamp(environment.n_cpus, 1U, kWorkersWithoutLimit);
}

std::chrono::nanoseconds drain_timeout(const RunFlags& flags) {
  const auto timeout = control::parse_duration(flags.drain_timeout);
  if (!timeout) {
    throw BadFlag{fmt::format("--drain-timeout: '{}' is no duration such as 120s or 1m30s",
                              flags.drain_timeout)};
  }
  if (*timeout > kMaxDrainTimeout) {
    throw BadFlag{fmt::format("--drain-timeout: '{}' is more than 24h", flags.drain_timeout)};
  }
  return *timeout;
}

telemetry::LogLevel log_level(const RunFlags& flags) {
  const auto* const found = std::find(kLogLevels.begin(), kLogLevels.end(), flags.log_level);
  if (found == kLogLevels.end()) {
    throw BadFlag{
        fmt::format("--log-level: '{}' is none of debug, info, warning, error", flags.log_level)};
  }
  return static_cast<telemetry::LogLevel>(found - kLogLevels.begin());
}

telemetry::LogFormat log_format(const RunFlags& flags) {
  if (flags.log_format == "json") {
    return telemetry::LogFormat::json;
  }
  if (flags.log_format == "text") {
    return telemetry::LogFormat::text;
  }
  throw BadFlag{fmt::format("--log-format: '{}' is neither json nor text", flags.log_format)};
}

}  // namespace

Environment Environment::of_this_process() {
  return {
      .node_name = environment_variable("NODE_NAME"),
      .pod_namespace = environment_variable("POD_NAMESPACE"),
      .is_in_pod = !environment_variable("KUBERNETES_SERVICE_HOST").empty(),
      .n_cpus = std::max(1U, std::thread::hardware_concurrency()),
      .cpu_limit = read_cpu_limit("/proc/self/cgroup", "/sys/fs/cgroup"),
  };
}

void add_run_flags(CLI::App& command, RunFlags& flags) {
  command
      .add_option("--listen",
                  flags.listen,
                  "Where apps connect; repeatable. A bare :4140 takes IPv4 and IPv6")
      ->type_name("ADDR:PORT")
      ->take_all()
      ->expected(1)
      ->default_val(std::vector<std::string>{kListen});
  command
      .add_option("--tls-listen",
                  flags.tls_listen,
                  "Where apps connect with TLS; repeatable. HTTP/2 or HTTP/1.1, by ALPN")
      ->type_name("ADDR:PORT")
      ->take_all()
      ->expected(1);
  command
      .add_option("--tls-cert",
                  flags.tls_cert,
                  "Certificate of --tls-listen with its chain, in PEM; watched")
      ->type_name("FILE");
  command.add_option("--tls-key", flags.tls_key, "Its key, in PEM; watched")->type_name("FILE");
  command
      .add_option("--admin", flags.admin, "Where /live, /ready, /metrics and the API are served")
      ->type_name("ADDR:PORT")
      ->default_val(kAdmin);
  command
      .add_option("--source",
                  flags.source,
                  "The cluster: its API, or a folder of YAML (default in a pod: kubernetes)")
      ->type_name("kubernetes|files:DIR");
  command
      .add_option("--kubeconfig", flags.kubeconfig, "How to reach the API from outside of a pod")
      ->type_name("FILE");
  command.add_option("--node", flags.node, "Name of this node (default: $NODE_NAME)")
      ->type_name("NAME");
  command.add_option("--config", flags.config, "Configuration, watched; instead of the ConfigMap")
      ->type_name("FILE");
  command
      .add_option("--saved-view",
                  flags.saved_view,
                  "Where the view of the cluster is kept, to serve from it after a crash")
      ->type_name("DIR");
  command
      .add_option("--dns-server",
                  flags.dns_servers,
                  "Who is asked for externalNames; repeatable (default: those of /etc/resolv.conf)")
      ->type_name("ADDR:PORT")
      ->take_all()
      ->expected(1);
  command
      .add_option("--workers",
                  flags.workers,
                  "Threads that route (default: the CPU limit rounded up, else min(4, CPUs))")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      .add_option(
          "--drain-timeout", flags.drain_timeout, "How long requests under way may take at the end")
      ->type_name("DURATION")
      ->default_val(kDrainTimeout);
  command.add_option("--log-level", flags.log_level, "Least level that is logged")
      ->type_name("debug|info|warning|error")
      ->default_val(kLogLevel);
  command
      .add_option("--log-format", flags.log_format, "Lines for machines or for people, on stderr")
      ->type_name("json|text")
      ->default_val(kLogFormat);
}

std::variant<Config, std::string> validate(const RunFlags& flags, const Environment& environment) {
  try {
    Config config;
    config.listen = listen_addresses("--listen", flags.listen);
    refuse_half_tls(flags);
    config.tls_listen = listen_addresses("--tls-listen", flags.tls_listen, config.listen);
    config.tls_certificate = flags.tls_cert;
    config.tls_key = flags.tls_key;
    config.admin = listen_address("--admin", flags.admin);
    config.source = source(flags, environment);
    config.node = flags.node.empty() ? environment.node_name : flags.node;
    config.pod_namespace =
        environment.pod_namespace.empty() ? kDefaultPodNamespace : environment.pod_namespace;
    config.config_file = config_file(flags);
    config.saved_view = saved_view(flags);
    config.dns_servers = dns_servers(flags);
    config.workers = workers(flags, environment);
    config.drain_timeout = drain_timeout(flags);
    config.log_level = log_level(flags);
    config.log_format = log_format(flags);
    return config;
  } catch (BadFlag& bad) {
    return std::move(bad.line);
  }
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, failed] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (failed != std::errc{} || end != port_text.data() + port_text.size()) {
    return std::nullopt;
  }
  const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (has_brackets) {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) {
    return ListenAddress{.host = "", .port = port};
  }
  boost::system::error_code invalid;
  const auto address = boost::asio::ip::make_address(std::string{host}, invalid);
  if (invalid || address.is_v6() != has_brackets) {
    return std::nullopt;
  }
  return ListenAddress{.host = address.to_string(), .port = port};
}

}  // namespace router
