// SPDX-License-Identifier: Apache-2.0
// What a pool does with connections that take no more streams, seen by the requests that need one.
#include "router/pool/pool.hpp"

#include "tests/router/exchange/scripted_host.hpp"

#include <chrono>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

namespace router {
namespace {

/// Requests of clients that stay, and go away at the end.
class Requests {
 public:
  explicit Requests(test::ScriptedHost& host) : host_{host} {}
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;
  ~Requests() {
    for (Exchange* const each : exchanges_) {
      each->on_client_gone(Reset::cancel);
    }
    host_.end_turn();
  }

  test::ScriptedClient& begin(std::string_view path = "/", std::string_view grpc_timeout = {});
  test::ScriptedClient& begin_tunnel();

 private:
  test::ScriptedHost& host_;
  std::list<test::ScriptedClient> clients_;
  std::vector<Exchange*> exchanges_;
};

/// A gRPC call if it has a deadline.
RequestHead get(std::string_view path, std::string_view grpc_timeout) {
  RequestHead head;
  head.method = "GET";
  head.scheme = "http";
  head.authority = "cart.shop";
  head.path = path;
  head.is_grpc = !grpc_timeout.empty();
  if (head.is_grpc) {
    head.fields.add({"grpc-timeout", grpc_timeout});
  }
  return head;
}

test::ScriptedClient& Requests::begin(std::string_view path, std::string_view grpc_timeout) {
  test::ScriptedClient& client = clients_.emplace_back();
  exchanges_.push_back(&host_.begin(client, get(path, grpc_timeout), true));
  return client;
}

test::ScriptedClient& Requests::begin_tunnel() {
  test::ScriptedClient& client = clients_.emplace_back();
  RequestHead head = get("/", {});
  head.protocol = "websocket";
  exchanges_.push_back(&host_.begin(client, std::move(head), false));
  return client;
}

/// A pool by itself, whose connections are idle, or old, for no longer than a test may take.
class Idle final : public ConnectionFactory, public PoolEvents {
 public:
  explicit Idle(const ConnectOptions& options = {.endpoint = {},
                                                 .idle_timeout = std::chrono::milliseconds{20}})
      : pool{{*loop, *this, metrics.add_service("shop", "cart", "80"), on_unreachable},
             options,
             *this} {}
  [[nodiscard]] std::unique_ptr<UpstreamConnection> connect(
      const ConnectOptions& options, UpstreamConnectionEvents& events) override {
    auto made = std::make_unique<test::ScriptedConnection>(options, events);
    connection = made.get();
    return made;
  }
  void on_connect_failed(Errc /*reason*/) override {}
  void on_connect_succeeded() override {}

  telemetry::CoreMetrics metrics;
  test::VirtualLoop loop{metrics};
  UnreachableListener on_unreachable;
  test::ScriptedConnection* connection = nullptr;
  Pool pool;
};

/// Finds that it has no use for the connection that it gets.
struct Choosy final : PoolWaiter {
  void on_connection(UpstreamConnection& /*connection*/) override { ++n_refused; }
  void on_no_connection(Errc /*reason*/) override {}

  int n_refused = 0;
};

}  // namespace

TEST_CASE("Pool: connections that drain leave room for others", "[pool]") {
  test::ScriptedHost host{1};
  Requests requests{host};
  const std::size_t n_requests = Pool::kMaxH2Connections + 1;

  for (std::size_t i = 0; i < n_requests; ++i) {
    requests.begin();
    REQUIRE(host.connections.size() == i + 1);
    host.connections[i]->connect();
    REQUIRE(host.connections[i]->stream != nullptr);
    host.connections[i]->go_away();  // its stream goes on
  }

  CHECK(host.connections.back()->stream != nullptr);
  const auto& gauges = host.service_metrics().upstream_connections;
  CHECK(gauges[static_cast<std::size_t>(telemetry::UpstreamState::open)].read() == 0);
  CHECK(gauges[static_cast<std::size_t>(telemetry::UpstreamState::draining)].read() == n_requests);
}

TEST_CASE("Pool: a request does not wait for a connection that drains when no other can be had",
          "[pool]") {
  test::ScriptedHost host{2};
  Requests requests{host};
  requests.begin();
  host.connections[0]->connect();
  host.connections[0]->go_away();
  requests.begin();  // at the other endpoint
  host.connections[1]->connect();
  const test::ScriptedClient& client = requests.begin();
  REQUIRE(host.connections.size() == 3);  // at the first one again

  host.connections[2]->fail_to_connect(Errc::connect_failed);

  CHECK(host.service_metrics().repicks.read() == 1);
  CHECK_FALSE(client.head.has_value());  // it goes on at the other endpoint
}

TEST_CASE("Pool: tunnels leave the connections to the others, and have a bound of their own",
          "[pool][tunnel]") {
  Policy policy;
  policy.queue_timeout = std::chrono::milliseconds{1};  // for another endpoint
  test::ScriptedHost host{1, policy};
  Requests requests{host};
  for (std::size_t i = 0; i < Pool::kMaxTunnels; ++i) {
    requests.begin_tunnel();
    REQUIRE(host.connections.size() == i + 1);
    host.connections[i]->connect();
    host.connections[i]->become_tunnel();
  }
  const auto& gauges = host.service_metrics().upstream_connections;
  CHECK(gauges[static_cast<std::size_t>(telemetry::UpstreamState::tunnel)].read() ==
        Pool::kMaxTunnels);

  const test::ScriptedClient& beyond = requests.begin_tunnel();
  REQUIRE(host.time().run_until([&] { return beyond.head.has_value(); }));
  CHECK(beyond.head->status == 503);
  CHECK(beyond.header("nodeway-error") == "stream_refused");
  CHECK(host.metrics.hits(telemetry::Limit::tunnels) == 1);
  requests.begin();
  REQUIRE(host.connections.size() == Pool::kMaxTunnels + 1);
  host.connections.back()->connect();
  CHECK(host.connections.back()->stream != nullptr);

  host.connections.front()->close();
  requests.begin_tunnel();
  CHECK(host.connections.size() == Pool::kMaxTunnels + 2);
}

TEST_CASE("Pool: a connection that is old takes no new streams, however busy it is", "[pool]") {
  constexpr std::chrono::milliseconds kAge{50};
  Idle old{{.endpoint = {}, .max_age = kAge}};
  Choosy first;
  old.pool.acquire(first, {.until = TimePoint::max()});
  old.connection->connect();
  const TimePoint opened_at = old.loop->now();

  CHECK(old.loop.run_until([&] { return old.connection->n_drains > 0; }));

  CHECK(old.connection->n_drains == 1);
  CHECK(old.loop->now() - opened_at >= kAge * 9 / 10);
}

TEST_CASE("Pool: a connection that was to be had and not used is idle, and is closed", "[pool]") {
  Idle idle;
  Choosy first;
  idle.pool.acquire(first, {.until = TimePoint::max()});
  idle.connection->connect();
  REQUIRE(first.n_refused == 1);
  Choosy second;
  idle.pool.acquire(second, {.until = TimePoint::max()});
  REQUIRE(second.n_refused == 1);

  CHECK(idle.loop.run_until([&] { return idle.connection->n_drains > 0; }));
}

TEST_CASE("Pool: an endpoint that goes while it is being connected has not failed", "[pool]") {
  test::ScriptedHost host{1};
  int n_unreachable = 0;
  host.on_unreachable = [&](const UnreachableEndpoint&) { ++n_unreachable; };
  Requests requests{host};
  requests.begin();
  host.connections.at(0)->ends_when_drained = true;

  host.replace_endpoints(2002);

  CHECK(host.connections.at(0)->n_drains == 1);
  CHECK(host.metrics.figure(telemetry::CoreFigure::upstream_connects_failed).read() == 0);
  CHECK(n_unreachable == 0);
  REQUIRE(host.connections.size() == 2);  // the request is the other one's
}

TEST_CASE("Pool: a connect that fails beside connections that are full is tried again", "[pool]") {
  test::ScriptedHost host{1};
  Requests requests{host};
  requests.begin();
  host.connections[0]->connect();  // carries one stream, which stays
  const test::ScriptedClient& client = requests.begin();
  REQUIRE(host.connections.size() == 2);

  host.connections[1]->fail_to_connect(Errc::connect_failed);
  CHECK(host.connections.size() == 2);  // not at once

  CHECK_FALSE(client.head.has_value());  // there is no other endpoint to send it to
  REQUIRE(host.time().run_until([&] { return host.connections.size() == 3; }));
  host.connections[2]->connect();
  CHECK(host.connections[2]->stream != nullptr);
}

TEST_CASE("Pool: of those that wait, the one whose wait ends first is served first", "[pool]") {
  Policy policy;
  policy.queue_timeout = std::chrono::seconds{3};
  test::ScriptedHost host{1, policy};
  Requests requests{host};
  requests.begin("/no-deadline");
  requests.begin("/after-the-queue", "9S");  // its wait ends as that of the first does
  requests.begin("/late", "2S");
  requests.begin("/soon", "500m");
  requests.begin("/late-too", "2S");

  std::vector<std::string> served;
  for (std::size_t i = 0; i < 5; ++i) {  // a connection carries one stream
    REQUIRE(host.connections.size() > i);
    host.connections[i]->connect();
    served.push_back(host.connections[i]->request_path);
  }

  CHECK(served == std::vector<std::string>{
                      "/soon", "/late", "/late-too", "/no-deadline", "/after-the-queue"});
}

}  // namespace router
