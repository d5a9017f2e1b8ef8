// SPDX-License-Identifier: Apache-2.0
// How many connections clients may have: all of them, one caller, and what the process can open.
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"

#include <algorithm>
#include <deque>
#include <poll.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

constexpr int kMaxPerCaller = 500;  // docs/errors.md, clients' connections
constexpr int kMaxRefused = 10;

// So that callers of either protocol reach the same pod.
constexpr const char* kH2cToPods = "version: 1\ndefaults: {upstreamProtocol: h2c}\n";

/// Of the test, which has as many connections open as the router. Its hard limit is the router's.
rlim_t raise_file_limit() {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return limit.rlim_max;
}

/// The n-th client's address: as many for each as a caller may have.
std::string address_of(int n) {
  return "127.0.1." + std::to_string(1 + n / kMaxPerCaller);
}

/// A connection that has asked for something; which place it has shows in the answer.
test::Fd asking(std::uint16_t port, const std::string& from) {
  test::Fd socket = test::connect_to_loopback(port, from);
  test::send_all(socket,
                 test::http1_head("GET", "cart.shop", "/", {}),
                 test::Deadline{"a request to be taken"});
  return socket;
}

bool is_answered(const test::Fd& socket, int patience_ms) {
  pollfd poll{.fd = socket.get(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, patience_ms) == 1;
}

constexpr int kPatienceMs = static_cast<int>(std::chrono::milliseconds{test::kPatience}.count());

}  // namespace

TEST_CASE("nodeway: as many clients have a place with four workers as with one",
          "[integration][limits]") {
  const auto most = static_cast<int>(std::min<rlim_t>(10'000, raise_file_limit() / 2));
  for (const std::string workers : {"1", "4"}) {
    CAPTURE(workers);
    test::OneService path{test::answer(200, "ok"), kH2cToPods, {"--workers", workers}};
    const std::uint16_t port = path.router.listen_port();

    std::vector<test::Fd> clients;
    for (int n = 1; n < most; ++n) {  // `path.client` is the first
      clients.push_back(asking(port, address_of(n)));
      REQUIRE(is_answered(clients.back(), kPatienceMs));
    }
    std::vector<test::Fd> late;
    for (int n = 0; n < 8; ++n) {
      late.push_back(asking(port, "127.0.2.1"));
    }

    path.router.wait_metric("nodeway_client_connections_open", most);
    for (const test::Fd& client : late) {
      CHECK_FALSE(is_answered(client, 20));
    }
    CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "client_connections"}}) > 0);
    CHECK(path.client.get("cart.shop", "/").status == 200);
    clients.resize(clients.size() - late.size());
    for (const test::Fd& client : late) {
      CHECK(is_answered(client, kPatienceMs));
    }
  }
}

TEST_CASE("nodeway: a caller with too many connections is told so, others are not",
          "[integration][limits]") {
  const std::string workers = GENERATE("1", "4");
  CAPTURE(workers);
  test::OneService path{test::answer(200, "ok"), kH2cToPods, {"--workers", workers}};
  const std::uint16_t port = path.router.listen_port();
  const std::string greedy = "127.0.0.2";
  std::deque<test::Http1Client> clients;
  for (int n = 0; n < kMaxPerCaller; ++n) {
    REQUIRE(clients.emplace_back(port, greedy).get("cart.shop", "/").status == 200);
  }

  test::Http1Client http1{port, greedy};
  const test::Reply told = http1.get("cart.shop", "/");
  test::H2Client http2{port, {.from = greedy}};
  const test::Reply told_grpc = http2.grpc("cart.shop", "/cart.Cart/Get", "");

  CHECK(told.status == 429);
  CHECK(told.header("nodeway-error") == "caller_limit");
  CHECK(told.body.find("500 connections of 127.0.0.2") != std::string::npos);
  http1.wait_closed();
  CHECK(told_grpc.grpc_status() == 8);
  http2.wait_closed();
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "caller_limit"}}) == 2);
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "caller_connections"}}) == 2);
  CHECK(path.client.get("cart.shop", "/").status == 200);
  CHECK(clients.back().get("cart.shop", "/").status == 200);

  clients.pop_back();
  path.router.wait_metric("nodeway_client_connections_open", kMaxPerCaller);
  CHECK(test::Http1Client{port, greedy}.get("cart.shop", "/").status == 200);
}

TEST_CASE("nodeway: a caller that goes on opening connections takes no places of others",
          "[integration][limits]") {
  test::OneService path{test::answer(200, "ok")};
  const std::uint16_t port = path.router.listen_port();
  const std::string greedy = "127.0.0.2";
  std::vector<test::Fd> clients;

  for (int n = 0; n < kMaxPerCaller + 4 * kMaxRefused; ++n) {
    clients.push_back(test::connect_to_loopback(port, greedy));  // says nothing
  }

  path.router.wait_metric(
      "nodeway_limit_hits_total", 4.0 * kMaxRefused, {{"limit", "caller_connections"}});
  const test::Deadline deadline{"connections to be closed"};
  std::ptrdiff_t n_closed = 0;
  while (n_closed < 4 * kMaxRefused && !deadline.has_passed()) {
    n_closed = std::count_if(clients.begin(), clients.end(), [](const test::Fd& client) {
      return is_answered(client, 0);  // by its end
    });
  }
  CHECK(n_closed == 4 * kMaxRefused);
  CHECK(path.client.get("cart.shop", "/").status == 200);
}

TEST_CASE("nodeway: out of file descriptors, open connections go on and no pod is blamed",
          "[integration][limits][promise]") {
  if (test::is_sanitized()) {
    return;  // UBSan looks at memory through pipes, and takes their absence for a fault of ours
  }
  test::Upstream other{test::answer(200, "other")};
  test::OneService path{test::answer(200, "ok")};
  path.cluster.add_service("late.shop", 80, {other.endpoint()});
  const std::uint16_t port = path.router.listen_port();
  REQUIRE(path.client.get("cart.shop", "/").status == 200);
  const test::Deadline deadline{"the other Service to be known"};
  while (path.router.metric("nodeway_services") < 2) {
    REQUIRE_FALSE(deadline.has_passed());
  }
  rlimit before{};
  const auto n_open = static_cast<rlim_t>(path.router.metric("process_open_fds"));
  REQUIRE(prlimit(path.router.child().pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
  const rlimit low{.rlim_cur = n_open + 4, .rlim_max = before.rlim_max};
  REQUIRE(prlimit(path.router.child().pid(), RLIMIT_NOFILE, &low, nullptr) == 0);

  std::vector<test::Fd> clients;
  for (int n = 0; n < 16; ++n) {
    clients.push_back(asking(port, {}));
  }
  int n_answered = 0;
  for (const test::Fd& client : clients) {
    n_answered += is_answered(client, 100) ? 1 : 0;
  }
  const test::Reply reply = path.client.get("cart.shop", "/");
  const test::Reply unreachable = path.client.get("late.shop", "/");
  clients.erase(clients.begin(), clients.begin() + n_answered);

  CHECK(n_answered < 6);
  CHECK(reply.status == 200);
  CHECK(unreachable.status == 503);
  CHECK(unreachable.header("nodeway-error") == "queue_timeout");
  REQUIRE(prlimit(path.router.child().pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
  CHECK(path.client.get("late.shop", "/").body == "other");
  for (const test::Fd& client : clients) {
    CHECK(is_answered(client, kPatienceMs));
  }
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "file_descriptors"}}) >= 2);
  CHECK(path.router.metric("nodeway_upstream_connects_failed_total") == 0);
  CHECK(path.router.metric("nodeway_ejections_total") == 0);
}
