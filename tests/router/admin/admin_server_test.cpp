// SPDX-License-Identifier: Apache-2.0
#include "router/admin/admin.hpp"
#include "router/control/control_plane.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/core.hpp"

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace router;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kStuckClients = 64;
// The contract. A sanitized build on a busy machine needs more for the same work.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr auto kAnswerTime = 1'000ms;
#else
constexpr auto kAnswerTime = 100ms;
#endif

/// An admin endpoint on loopback.
class Served {
 public:
  explicit Served(std::size_t n_services = 0) {
    for (std::size_t i = 0; i < n_services; ++i) {
      core_.add_service("shop", "service-" + std::to_string(i), "80")
          .add_response({.success = true}, 1ms, 2ms);
    }
    std::string error;
    const auto address = server_.start({.host = "127.0.0.1", .port = 0}, error);
    INFO(error);
    REQUIRE(address.has_value());
    port = address->port;
  }

  std::uint16_t port = 0;

 private:
  telemetry::CoreMetrics core_;
  admin::AdminServer server_{
      {.cores = {&core_},
       .control =
           [] {
             control::ControlStatus status;
             status.ready = true;
             status.config.valid = true;
             return status;
           },
       .endpoints = [] { return std::vector<EndpointView>{}; },
       .show_endpoints = [](const auto& /*filter*/, const auto& /*visit*/) {},
       .is_draining = [] { return false; },
       .now = [] { return Clock::now(); },
       .version = "1.2.3"}};
};

/// A client's connection from an address of loopback.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_bytes = 0)
      : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    if (receive_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  }
  Client(Client&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client& operator=(Client&&) = delete;
  ~Client() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  void send(std::string_view bytes) const {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  /// All that comes until the server closes.
  [[nodiscard]] std::string receive_all() const {
    std::string all;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd_, buffer.data(), buffer.size(), 0)) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all;
  }
  /// Whether the server has closed or reset the connection, or does so in this time.
  [[nodiscard]] bool is_closed_within(std::chrono::milliseconds patience) const {
    pollfd poll_fd{.fd = fd_, .events = POLLIN, .revents = 0};
    char byte = 0;
    return ::poll(&poll_fd, 1, static_cast<int>(patience.count())) == 1 &&
           ::recv(fd_, &byte, 1, MSG_DONTWAIT) <= 0;
  }

 private:
  int fd_;
};

std::string get(std::uint16_t port, const std::string& path) {
  const Client client{port};
  client.send("GET " + path + " HTTP/1.1\r\nHost: nodeway\r\n\r\n");
  return client.receive_all();
}

void check_probes(std::uint16_t port) {
  for (const std::string path : {"/live", "/ready", "/live", "/ready"}) {
    const auto began_at = Clock::now();
    const std::string answer = get(port, path);
    const auto took = Clock::now() - began_at;
    const auto took_us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
    CAPTURE(path, took_us);
    CHECK(answer.starts_with("HTTP/1.1 200 "));
    CHECK(took < kAnswerTime);
  }
}

std::vector<Client> stuck_clients(std::uint16_t port,
                                  std::size_t count,
                                  std::string_view what,
                                  int receive_bytes = 0) {
  std::vector<Client> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.emplace_back(port, receive_bytes).send(what);
  }
  return clients;
}

/// While it lives this process gets no thread from the system: each would have a stack that no
/// address space holds.
class NoThreads {
 public:
  NoThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t attributes{};
    ::pthread_attr_init(&attributes);
    REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t{1} << 47U) == 0);
    REQUIRE(::pthread_setattr_default_np(&attributes) == 0);
    ::pthread_attr_destroy(&attributes);
    CHECK_THROWS_AS(std::thread{[] {}}, std::system_error);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;
  ~NoThreads() { ::pthread_setattr_default_np(&before_); }

 private:
  pthread_attr_t before_{};
};

}  // namespace

TEST_CASE("AdminServer: probes are answered at once though the system has no more threads to give",
          "[integration][admin]") {
  const Served served;
  const auto early = stuck_clients(served.port, 8, "");
  check_probes(served.port);  // so that there are some
  const NoThreads no_threads;
  const auto stuck = stuck_clients(served.port, kStuckClients, "");

  check_probes(served.port);

  CHECK(early.front().is_closed_within(5s));  // to make room
}

TEST_CASE("AdminServer: probes are answered though the system has never given a thread for them",
          "[integration][admin]") {
  const Served served;
  const NoThreads no_threads;

  check_probes(served.port);
}

TEST_CASE("AdminServer: probes are answered at once beside 64 clients that send nothing",
          "[integration][admin]") {
  const Served served;
  const auto stuck = stuck_clients(served.port, kStuckClients, "");

  check_probes(served.port);
}

TEST_CASE("AdminServer: probes are answered at once beside 64 clients that send half a request",
          "[integration][admin]") {
  const Served served;
  const auto stuck =
      stuck_clients(served.port, kStuckClients, "GET /metrics HTTP/1.1\r\nHost: nod");

  check_probes(served.port);
}

TEST_CASE(
    "AdminServer: probes are answered at once beside 64 clients that do not read their metrics",
    "[integration][admin]") {
  const Served served{500};
  const std::size_t page_bytes = get(served.port, "/metrics").size();
  REQUIRE(page_bytes > 1'000'000);  // more than the sockets take, or nobody would be stuck
  const std::size_t count = GENERATE(values<std::size_t>({kStuckClients, 300}));
  const auto stuck =
      stuck_clients(served.port, count, "GET /metrics HTTP/1.1\r\nHost: n\r\n\r\n", 4096);

  check_probes(served.port);
}

TEST_CASE(
    "AdminServer: probes are answered at once beside three times as many clients as it serves",
    "[integration][admin]") {
  const Served served;
  const auto stuck = stuck_clients(served.port, 400, "");

  check_probes(served.port);

  CHECK(stuck.front().is_closed_within(5s));        // the oldest have made room
  CHECK_FALSE(stuck.back().is_closed_within(0ms));  // the newest may still speak
}

TEST_CASE("AdminServer: a client that never ends its request is let go", "[integration][admin]") {
  const Served served;
  const Client silent{served.port};

  CHECK(silent.is_closed_within(20s));
}

TEST_CASE("AdminServer: a request of endless headers is ended", "[integration][admin]") {
  const Served served;
  const Client client{served.port};
  client.send("GET /live HTTP/1.1\r\n");
  const std::string line = "X-Fill: " + std::string(1'000, 'x') + "\r\n";
  for (int i = 0; i < 66; ++i) {
    client.send(line);  // just more than the bound, so that all of it is read
  }

  const std::string answer = client.receive_all();

  CHECK(answer.find(" 200 ") == std::string::npos);
}

TEST_CASE("AdminServer: serves its pages", "[integration][admin]") {
  const Served served{1};

  CHECK(get(served.port, "/live").ends_with("\r\n\r\nlive\n"));
  CHECK(get(served.port, "/ready").ends_with("\r\n\r\nready\n"));
  CHECK(get(served.port, "/ready?verbose=1").find("[+] serving: yes\n") != std::string::npos);
  CHECK(get(served.port, "/metrics").find("Content-Type: text/plain; version=0.0.4") !=
        std::string::npos);
  CHECK(get(served.port, "/metrics").find("service-0") != std::string::npos);
  CHECK(get(served.port, "/api/v1/stat?window=30s").find("\"service-0\"") != std::string::npos);
  CHECK(get(served.port, "/api/v1/stat?window=1s").starts_with("HTTP/1.1 400 "));
  CHECK(get(served.port, "/api/v1/endpoints").find("\"rows\":[]") != std::string::npos);
  CHECK(get(served.port, "/api/v1/config").starts_with("HTTP/1.1 200 "));
  CHECK(get(served.port, "/api/v1/watches").starts_with("HTTP/1.1 200 "));
  CHECK(get(served.port, "/nothing").ends_with("\r\n\r\n404: GET /nothing\n"));
}

TEST_CASE("AdminServer: an address that is taken is told", "[integration][admin]") {
  const Served first;
  admin::AdminServer second{{.cores = {},
                             .control = [] { return control::ControlStatus{}; },
                             .endpoints = [] { return std::vector<EndpointView>{}; },
                             .show_endpoints = [](const auto& /*filter*/, const auto& /*visit*/) {},
                             .is_draining = [] { return false; },
                             .now = [] { return Clock::now(); },
                             .version = ""}};
  std::string error;

  CHECK_FALSE(second.start({.host = "127.0.0.1", .port = first.port}, error).has_value());
  CHECK(error == "Address already in use");
}
