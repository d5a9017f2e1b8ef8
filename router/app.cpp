// SPDX-License-Identifier: Apache-2.0
#include "router/app.hpp"

#include "k8s_client/api_source.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/file_source.hpp"
#include "k8s_client/kubeconfig.hpp"
#include "k8s_client/text_file.hpp"
#include "router/admin/admin.hpp"
#include "router/all_cores.hpp"
#include "router/cluster/shared_port.hpp"
#include "router/control/certificate_files.hpp"
#include "router/control/config_map.hpp"
#include "router/control/control_plane.hpp"
#include "router/version.hpp"
#include "router/worker/core.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <iostream>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using telemetry::LogLevel;

constexpr std::uint32_t kMaxClientConnections =
    10'000;  // product.md, clients; of all workers together

/// The certificate's files are read this often, as a configuration file is.
constexpr std::chrono::seconds kCertificateInterval{1};

/// Why the process cannot start; ends `App::run`.
struct StartFailure {
  int exit_code;
  std::string line;
};

std::string text_of(const tcp::endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

tcp::endpoint endpoint_of(const ListenAddress& address) {
  if (address.host.empty()) {
    return {tcp::v6(), address.port};
  }
  return {asio::ip::make_address(address.host), address.port};
}

std::string text_of(const ListenAddress& address) {
  return text_of(endpoint_of(address));
}

void log_notice(const k8s_client::Notice& notice) {
  const bool is_info = notice.level == k8s_client::Notice::Level::info;
  telemetry::log(is_info ? LogLevel::info : LogLevel::warning, "source", notice.text);
}

void log_control(control::LogLevel level, std::string_view message, std::string_view error) {
  constexpr std::array kLevels{LogLevel::info, LogLevel::warning, LogLevel::error};
  telemetry::log(kLevels[static_cast<std::size_t>(level)], "control", message, error);
}

/// Drawn by the kernel at its start; "" where it is not told. Source: random(4).
std::string boot_id() {
  const auto text = k8s_client::read_text_file("/proc/sys/kernel/random/boot_id", 64);
  return text ? text->substr(0, text->find('\n')) : "";
}

}  // namespace

class App::State {
 public:
  explicit State(Options options);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  int run();

 private:
  [[nodiscard]] control::ControlPlane::Options control_options();
  [[nodiscard]] admin::Subject subject();
  void make_cores();
  using Listen = Result<tcp::endpoint> (Core::*)(const tcp::endpoint&);
  void read_certificate();
  void watch_certificate();
  void look_at_certificate();
  void open_listeners(const std::vector<ListenAddress>& addresses,
                      Listen listen,
                      std::vector<std::string>& opened);
  tcp::endpoint open_listener(const ListenAddress& address, Listen listen);
  void open_admin();
  [[nodiscard]] std::unique_ptr<k8s_client::Source> make_source();
  [[nodiscard]] k8s_client::ApiServer find_api_server(
      const std::filesystem::path& kubeconfig) const;
  void refuse_two_configurations();
  void start();
  void start_workers();
  void announce(std::string_view event) const;
  void publish(const SnapshotPtr& snapshot);
  void announce_ready();
  void wait_for_stop_signal();
  void begin_drain();
  void cut_off();
  void on_worker_ended();
  void take_down();

  Config config_;
  std::uint32_t seed_;
  asio::io_context control_loop_{1};
  asio::posix::stream_descriptor stop_signal_;
  asio::steady_timer drain_timer_{control_loop_};
  asio::steady_timer certificate_timer_{control_loop_};
  std::optional<asio::thread_pool> writer_;  ///< of the saved view; a disk may be slow
  k8s_client::SteadyClock clock_;
  std::optional<control::CertificateFiles> certificate_;  ///< nothing without a TLS listener
  SharedPorts shared_ports_{config_.node};
  Cores cores_;
  control::ControlPlane control_;
  std::unique_ptr<admin::AdminServer> admin_;
  std::vector<std::thread> workers_;
  std::size_t workers_running_ = 0;
  std::atomic<bool> is_draining_{false};
  bool is_ready_announced_ = false;
  int exit_code_ = 1;  ///< until a drain has been asked for, the end is a failure
  std::vector<std::string> listening_;
  std::vector<std::string> listening_tls_;
  std::string admin_address_;
};

App::State::State(Options options)
    : config_{std::move(options.config)},
      seed_{options.seed},
      stop_signal_{control_loop_, options.stop_fd},
      control_{control_loop_.get_executor(),
               clock_,
               control_options(),
               log_control,
               [this](const SnapshotPtr& snapshot) { publish(snapshot); }} {}

App::State::~State() {
  take_down();
  stop_signal_.release();
}

control::ControlPlane::Options App::State::control_options() {
  const bool is_folder = std::holds_alternative<FilesSource>(config_.source);
  std::string dns_servers;
  for (const ListenAddress& server : config_.dns_servers) {
    dns_servers += (dns_servers.empty() ? "" : ",") + text_of(server);
  }
  control::ControlPlane::Options options{.config_namespace = config_.pod_namespace,
                                         .config_in_any_namespace = is_folder,
                                         .config_file = config_.config_file,
                                         .node = config_.node,
                                         .seed = seed_,
                                         .dns_servers = std::move(dns_servers),
                                         .allow_loopback = is_folder};
  if (config_.saved_view) {
    writer_.emplace(1);
    options.saved_view = {
        .folder = *config_.saved_view, .boot_id = boot_id(), .writer = writer_->get_executor()};
  }
  return options;
}

admin::Subject App::State::subject() {
  return admin::Subject{
      .cores = metrics_of(cores_),
      .control = [this] { return control_.status(); },
      .endpoints = [this] { return inspect_endpoints(cores_); },
      .endpoints_since = [this] { return control_.endpoints(); },
      .certificate =
          [this] { return certificate_ ? std::optional{certificate_->status()} : std::nullopt; },
      .is_draining = [this] { return is_draining_.load(); },
      .now = [this] { return clock_.now(); },
      .version = kVersion};
}

void App::State::make_cores() {
  for (std::uint32_t i = 0; i < config_.workers; ++i) {
    cores_.push_back(std::make_unique<Core>(Core::Options{
        .index = i,
        .seed = seed_ + i,
        .via = fmt::format("nodeway-{:08x}", seed_),
        .max_client_connections = std::max(1U, kMaxClientConnections / config_.workers),
        .shared = shared_ports_}));
  }
}

void App::State::read_certificate() {
  if (config_.tls_listen.empty()) {
    return;
  }
  certificate_.emplace(config_.tls_certificate, config_.tls_key);
  if (certificate_->look() != control::CertificateFiles::Outcome::taken) {
    throw StartFailure{2, "--tls-cert, --tls-key: " + certificate_->problem()};
  }
  for (const auto& core : cores_) {
    core->adopt(certificate_->in_force());
  }
  watch_certificate();
}

void App::State::watch_certificate() {
  certificate_timer_.expires_after(kCertificateInterval);
  certificate_timer_.async_wait([this](const error_code& cancelled) {
    if (!cancelled) {
      look_at_certificate();
      watch_certificate();
    }
  });
}

void App::State::look_at_certificate() {
  switch (certificate_->look()) {
    case control::CertificateFiles::Outcome::unchanged:
      break;
    case control::CertificateFiles::Outcome::taken:
      for (const auto& core : cores_) {
        core->adopt(certificate_->in_force());
      }
      telemetry::log(LogLevel::info, "tls", "another certificate is in force");
      break;
    case control::CertificateFiles::Outcome::rejected:
      telemetry::log(LogLevel::error,
                     "tls",
                     "the certificate is not taken, the former one stays in force",
                     certificate_->problem());
      break;
  }
}

void App::State::open_listeners(const std::vector<ListenAddress>& addresses,
                                Listen listen,
                                std::vector<std::string>& opened) {
  for (const ListenAddress& address : addresses) {
    // The first core takes the port, or the one that the kernel chooses; the others share it.
    const tcp::endpoint first = open_listener(address, listen);
    for (std::size_t i = 1; i < cores_.size(); ++i) {
      if (const auto shared = (*cores_[i].*listen)(first); !shared) {
        throw StartFailure{
            1, fmt::format("cannot listen on {}: {}", text_of(first), shared.error().message())};
      }
    }
    opened.push_back(text_of(first));
  }
}

tcp::endpoint App::State::open_listener(const ListenAddress& address, Listen listen) {
  auto opened = (*cores_.front().*listen)(endpoint_of(address));
  if (!opened && address.host.empty() &&
      opened.error() == asio::error::address_family_not_supported) {
    opened = (*cores_.front().*listen)({tcp::v4(), address.port});  // a machine without IPv6
  }
  if (!opened) {
    throw StartFailure{
        1, fmt::format("cannot listen on {}: {}", text_of(address), opened.error().message())};
  }
  return *opened;
}

void App::State::open_admin() {
  admin_ = std::make_unique<admin::AdminServer>(subject());
  std::string error;
  const auto opened = admin_->start(config_.admin, error);
  if (!opened) {
    throw StartFailure{
        1, fmt::format("cannot listen on {} (--admin): {}", text_of(config_.admin), error)};
  }
  admin_address_ = text_of(*opened);
}

k8s_client::ApiServer App::State::find_api_server(const std::filesystem::path& kubeconfig) const {
  auto found = k8s_client::find_api_server(kubeconfig);
  if (!found) {
    throw StartFailure{2, found.error().message()};
  }
  for (const std::string& warning : found->warnings) {
    telemetry::log(LogLevel::warning, "source", warning);
  }
  return std::move(found->server);
}

std::unique_ptr<k8s_client::Source> App::State::make_source() {
  const auto executor = control_loop_.get_executor();
  if (const auto* files = std::get_if<FilesSource>(&config_.source)) {
    return std::make_unique<k8s_client::FileSource>(
        executor,
        k8s_client::FileSource::Options{.folder = files->folder, .notices = log_notice},
        control_.stores(),
        clock_);
  }
  k8s_client::ApiSource::Options options{
      .server = find_api_server(std::get<KubernetesSource>(config_.source).kubeconfig),
      .config_map = {.ns = config_.pod_namespace, .name = std::string{control::kConfigMapName}},
      .node = config_.node,
      .seed = seed_,
      .notices = log_notice,
      .max_start_delay = k8s_client::ApiSource::kMaxStartDelay};
  return std::make_unique<k8s_client::ApiSource>(
      executor, std::move(options), control_.stores(), clock_);
}

void App::State::refuse_two_configurations() {
  // The folder has been read whole by now; the API's ConfigMap cannot be known yet and is not
  // looked at beside a file.
  if (!config_.config_file || !std::holds_alternative<FilesSource>(config_.source)) {
    return;
  }
  for (const auto& [key, config_map] : control_.stores().config_maps.all()) {
    if (key.name == control::kConfigMapName) {
      throw StartFailure{
          2,
          fmt::format(
              "--config: the folder of --source holds ConfigMap {}/{} already; give one of both",
              key.ns,
              key.name)};
    }
  }
}

void App::State::start() {
  make_cores();
  read_certificate();
  open_listeners(config_.listen, &Core::listen, listening_);
  open_listeners(config_.tls_listen, &Core::listen_tls, listening_tls_);
  open_admin();
  control_.start(make_source());
  refuse_two_configurations();
  announce("listening");
  telemetry::log(LogLevel::info,
                 "app",
                 fmt::format("nodeway {} listens on {}{} with {} workers, admin on {}",
                             kVersion,
                             fmt::join(listening_, ", "),
                             listening_tls_.empty()
                                 ? ""
                                 : fmt::format(", with TLS on {}", fmt::join(listening_tls_, ", ")),
                             config_.workers,
                             admin_address_));
  start_workers();
  wait_for_stop_signal();
}

void App::State::start_workers() {
  workers_running_ = cores_.size();
  for (const auto& core : cores_) {
    workers_.emplace_back([this, &running = *core] {
      running.run();
      asio::post(control_loop_, [this] { on_worker_ended(); });
    });
  }
}

void App::State::announce(std::string_view event) const {
  nlohmann::ordered_json line{{"event", event}, {"listen", listening_}};
  if (!listening_tls_.empty()) {
    line["tls_listen"] = listening_tls_;
  }
  line["admin"] = admin_address_;
  std::cout << line.dump() << std::endl;  // flushed: whoever started us waits for it
}

void App::State::publish(const SnapshotPtr& snapshot) {
  for (const auto& core : cores_) {
    core->adopt(snapshot);
  }
  if (!is_ready_announced_) {
    // Later, since the control plane calls itself ready only after this.
    asio::post(control_loop_, [this] { announce_ready(); });
  }
}

void App::State::announce_ready() {
  if (!is_ready_announced_ && control_.is_ready() && !is_draining_) {
    is_ready_announced_ = true;
    announce("ready");
    telemetry::log(LogLevel::info, "app", "ready");
  }
}

void App::State::wait_for_stop_signal() {
  stop_signal_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this](const error_code& failed) {
                            if (!failed) {
                              begin_drain();
                            }
                          });
}

void App::State::begin_drain() {
  telemetry::log(
      LogLevel::info, "app", "draining: no more connections, requests under way may end");
  exit_code_ = 0;
  is_draining_ = true;
  for (const auto& core : cores_) {
    core->drain();
  }
  drain_timer_.expires_after(config_.drain_timeout);
  drain_timer_.async_wait([this](const error_code& cancelled) {
    if (!cancelled) {
      cut_off();
    }
  });
}

void App::State::cut_off() {
  const std::uint64_t requests = requests_open(cores_);
  telemetry::log(LogLevel::warning,
                 "app",
                 fmt::format("the drain's time is over: {} requests are cut off", requests));
  exit_code_ = requests > 0 ? 1 : 0;
  for (const auto& core : cores_) {
    core->stop();
  }
}

void App::State::on_worker_ended() {
  if (!is_draining_) {
    telemetry::log(LogLevel::error, "app", "a worker has ended by itself");
    control_loop_.stop();
  }
  if (--workers_running_ == 0) {
    control_loop_.stop();
  }
}

void App::State::take_down() {
  if (admin_) {
    admin_->stop();  // first: its threads read all the rest
  }
  control_.stop();
  for (const auto& core : cores_) {
    core->stop();
  }
  for (std::thread& worker : workers_) {
    worker.join();
  }
  workers_.clear();
  if (writer_) {
    writer_->join();
  }
}

int App::State::run() {
  telemetry::start_logging(config_.log_format, config_.log_level);
  try {
    start();
    control_loop_.run();
    take_down();
    telemetry::log(LogLevel::info, "app", "stopped");
  } catch (const StartFailure& failure) {
    take_down();
    std::cerr << "nodeway: " << failure.line << '\n';
    exit_code_ = failure.exit_code;
  } catch (const std::exception& failure) {  // no thread to be had, for instance
    take_down();
    std::cerr << "nodeway: " << failure.what() << '\n';
    exit_code_ = 1;
  }
  telemetry::stop_logging();
  return exit_code_;
}

App::App(Options options) : state_{std::make_unique<State>(std::move(options))} {}
App::~App() = default;

int App::run() {
  return state_->run();
}

}  // namespace router
