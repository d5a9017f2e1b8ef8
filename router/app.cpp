// SPDX-License-Identifier: Apache-2.0
#include "router/app.hpp"

#include "k8s_client/clock.hpp"
#include "k8s_client/text_file.hpp"
#include "router/admin/admin.hpp"
#include "router/all_cores.hpp"
#include "router/cluster/shared_port.hpp"
#include "router/control/control_plane.hpp"
#include "router/control/dns_resolver.hpp"
#include "router/listeners.hpp"
#include "router/make_source.hpp"
#include "router/served_certificate.hpp"
#include "router/start_failure.hpp"
#include "router/version.hpp"
#include "router/worker/core.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <iostream>
#include <optional>
#include <string_view>
#include <sys/resource.h>
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
using telemetry::LogLevel;

void log_control(control::LogLevel level, std::string_view message, std::string_view error) {
  constexpr std::array kLevels{LogLevel::info, LogLevel::warning, LogLevel::error};
  telemetry::log(kLevels[static_cast<std::size_t>(level)], "control", message, error);
}

/// As DnsResolver takes them.
std::string text_of(const std::vector<ListenAddress>& servers) {
  std::string text;
  for (const ListenAddress& server : servers) {
    text += (text.empty() ? "" : ",") + text_of(server);
  }
  return text;
}

/// How many files the process may have open.
std::uint64_t max_descriptors() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
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
  void start_certificate();
  void open_admin();
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
  std::optional<asio::thread_pool> writer_;  ///< of the saved view; a disk may be slow
  k8s_client::SteadyClock clock_;
  SharedPorts shared_ports_{config_.node};
  ClientQuota client_quota_;
  BufferBudget buffers_;
  Cores cores_;
  std::optional<ServedCertificate> certificate_;  ///< nothing without a TLS listener
  control::DnsResolver resolver_;
  control::ControlPlane control_;
  std::unique_ptr<admin::AdminServer> admin_;
  std::vector<std::thread> workers_;
  std::size_t workers_running_ = 0;
  std::atomic<bool> is_draining_{false};
  int exit_code_ = 1;  ///< until a drain has been asked for, the end is a failure
  std::vector<std::string> listening_;
  std::vector<std::string> listening_tls_;
  std::string admin_address_;
};

App::State::State(Options options)
    : config_{std::move(options.config)},
      seed_{options.seed},
      stop_signal_{control_loop_, options.stop_fd},
      client_quota_{max_descriptors()},
      resolver_{control_loop_.get_executor(), text_of(config_.dns_servers)},
      control_{control_loop_.get_executor(),
               clock_,
               resolver_,
               control_options(),
               log_control,
               {.on_snapshot = [this](const SnapshotPtr& snapshot) { publish(snapshot); },
                .on_ready = [this] { announce_ready(); }}} {}

App::State::~State() {
  take_down();
  stop_signal_.release();
}

control::ControlPlane::Options App::State::control_options() {
  const bool is_folder = std::holds_alternative<FilesSource>(config_.source);
  control::ControlPlane::Options options{.config_namespace = config_.pod_namespace,
                                         .config_in_any_namespace = is_folder,
                                         .config_file = config_.config_file,
                                         .node = config_.node,
                                         .seed = seed_,
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
      .show_endpoints =
          [this](const control::EndpointFilter& filter, const control::EndpointVisitor& visit) {
            control_.show_endpoints(filter, visit);
          },
      .certificate =
          [this] { return certificate_ ? std::optional{certificate_->status()} : std::nullopt; },
      .is_draining = [this] { return is_draining_.load(); },
      .now = [this] { return clock_.now(); },
      .version = kVersion};
}

void App::State::make_cores() {
  for (std::uint32_t i = 0; i < config_.workers; ++i) {
    cores_.push_back(std::make_unique<Core>(
        Core::Options{.index = i,
                      .seed = seed_ + i,
                      .via = fmt::format("nodeway-{:08x}", seed_),
                      .shared = shared_ports_,
                      .clients = client_quota_,
                      .buffers = buffers_,
                      .on_unreachable = [this](const auto& endpoint) {
                        asio::post(control_loop_, [this, endpoint] { control_.recheck(endpoint); });
                      }}));
  }
  if (client_quota_.max_connections() < ClientQuota::kMaxConnections) {
    telemetry::log(LogLevel::warning,
                   "app",
                   fmt::format("clients may have {} connections open, not {}: half of the file "
                               "descriptors that the process may have",
                               client_quota_.max_connections(),
                               ClientQuota::kMaxConnections));
  }
}

void App::State::start_certificate() {
  if (!config_.tls_listen.empty()) {
    certificate_.emplace(
        control_loop_.get_executor(), config_.tls_certificate, config_.tls_key, cores_);
    certificate_->start();
  }
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

void App::State::start() {
  make_cores();
  start_certificate();
  listening_ = open_listeners(cores_, config_.listen, &Core::listen);
  listening_tls_ = open_listeners(cores_, config_.tls_listen, &Core::listen_tls);
  open_admin();
  control_.start(
      make_source(config_, seed_, control_loop_.get_executor(), control_.stores(), clock_));
  refuse_two_configurations(config_, control_.stores());
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
}

void App::State::announce_ready() {
  if (!is_draining_) {
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
