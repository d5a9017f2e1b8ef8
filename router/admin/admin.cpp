// SPDX-License-Identifier: Apache-2.0
#include "router/admin/admin.hpp"

#include "router/admin/http_server.hpp"
#include "router/admin/pages.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace router::admin {
namespace {

void send(httplib::Response& response, const Page& page) {
  response.status = page.status;
  response.set_content(page.body, page.content_type.c_str());
}

Page unavailable(std::string_view why) {
  return {
      .status = 503, .content_type = "text/plain", .body = fmt::format("unavailable: {}\n", why)};
}

constexpr std::uint32_t kMaxMetricsWaiting = 16;  // several Prometheus servers, and a person

/// Counts one in while it lives.
struct Waiting {
  explicit Waiting(std::atomic<std::uint32_t>& all) : total{all}, count{++all} {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { --total; }

  std::atomic<std::uint32_t>& total;
  const std::uint32_t count;
};

Query query_of(const httplib::Request& request) {
  Query query;
  for (const auto& [name, value] : request.params) {
    query[name] = value;
  }
  return query;
}

}  // namespace

class AdminServer::State {
 public:
  explicit State(Subject subject) : pages_{std::move(subject)}, server_{pages_.subject().now} {
    add_routes();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { stop(); }

  std::optional<ListenAddress> start(const ListenAddress& address, std::string& error) {
    const int port = bind(address);
    if (port < 0) {
      error = std::generic_category().message(errno);
      return std::nullopt;
    }
    server_thread_ = std::thread{[this] { server_.listen_after_bind(); }};
    while (!server_.is_running()) {
      std::this_thread::yield();  // `stop` has no effect before
    }
    sampler_ = std::thread{[this] { sample_until_stopped(); }};
    return ListenAddress{.host = address.host, .port = static_cast<std::uint16_t>(port)};
  }

  void stop() {
    {
      const std::lock_guard lock{mutex_};
      is_stopping_ = true;
    }
    stopping_.notify_all();
    if (server_thread_.joinable()) {
      server_.stop_all();
      server_thread_.join();
    }
    if (sampler_.joinable()) {  // not if there was no thread left for it
      sampler_.join();
    }
  }

 private:
  int bind(const ListenAddress& address) {
    if (!address.host.empty()) {
      return server_.bind(address.host, address.port);
    }
    const int port = server_.bind("::", address.port);
    // A machine without IPv6 has IPv4 only.
    return port < 0 && errno != EADDRINUSE ? server_.bind("0.0.0.0", address.port) : port;
  }

  void add_routes() {
    server_.Get("/live", [](const httplib::Request& /*request*/, httplib::Response& response) {
      response.set_content("live\n", "text/plain");
    });
    add("/ready", [this](const Query& query) { return pages_.ready(query); });
    add("/metrics", [this](const Query& /*query*/) { return metrics(); });
    add_private("/api/v1/stat", [this](const Query& query) { return pages_.stat(query); });
    add_private("/api/v1/endpoints",
                [this](const Query& query) { return pages_.endpoints(query); });
    add_private("/api/v1/config", [this](const Query& /*query*/) { return pages_.config(); });
    add_private("/api/v1/watches", [this](const Query& /*query*/) { return pages_.watches(); });
    server_.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty()) {
        response.set_content(
            fmt::format("{}: {} {}\n", response.status, request.method, request.path),
            "text/plain");
      }
    });
  }

  void add(const char* path, std::function<Page(const Query&)> page) {
    server_.Get(
        path,
        [page = std::move(page)](const httplib::Request& request, httplib::Response& response) {
          send(response, page(query_of(request)));
        });
  }

  void add_private(const char* path, std::function<Page(const Query&)> page) {
    server_.Get(
        path,
        [page = std::move(page)](const httplib::Request& request, httplib::Response& response) {
          send(response,
               is_loopback(request.remote_addr) ? page(query_of(request)) : forbidden_page());
        });
  }

  /// One at a time: many would take the CPUs from the probes, and each is megabytes. Few may wait,
  /// so that most threads are left for the probes.
  Page metrics() {
    const Waiting waiting{metrics_waiting_};
    if (waiting.count > kMaxMetricsWaiting) {
      return unavailable("too many ask for metrics at once");
    }
    const std::lock_guard lock{metrics_mutex_};
    // What waits for its turn at the end must not hold the end up.
    return is_stopping_ ? unavailable("stopping") : pages_.metrics();
  }

  void sample_until_stopped() {
    std::unique_lock lock{mutex_};
    while (!stopping_.wait_for(
        lock, telemetry::TrafficWindow::kStep, [this] { return is_stopping_.load(); })) {
      lock.unlock();
      pages_.sample();
      lock.lock();
    }
  }

  Pages pages_;
  HttpServer server_;
  std::mutex metrics_mutex_;
  std::atomic<std::uint32_t> metrics_waiting_{0};
  std::mutex mutex_;
  std::condition_variable stopping_;
  std::atomic<bool> is_stopping_{false};  ///< written under `mutex_`
  std::thread server_thread_;
  std::thread sampler_;
};

AdminServer::AdminServer(Subject subject) : state_{std::make_unique<State>(std::move(subject))} {}
AdminServer::~AdminServer() = default;

std::optional<ListenAddress> AdminServer::start(const ListenAddress& address, std::string& error) {
  return state_->start(address, error);
}

void AdminServer::stop() {
  state_->stop();
}

}  // namespace router::admin
