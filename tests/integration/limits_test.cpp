// SPDX-License-Identifier: Apache-2.0
// How many requests are with a Service's pods at a time, and how the pods' own reports share them
// out.
#include "tests/integration/one_service.hpp"
#include "tests/support/load.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

std::string with_limits(const std::string& limits) {
  return "version: 1\ndefaults:\n  balancer: {policy: round_robin}\n  limits: {" + limits + "}\n";
}

/// `cart.shop` with two endpoints that play the same script.
struct TwoEndpoints {
  TwoEndpoints(const test::Script& script, const std::string& config, const std::string& workers)
      : one{script}, two{script}, router{written(config, workers)} {}

  [[nodiscard]] double hits(const std::string& limit) const {
    return router.metric("nodeway_limit_hits_total", {{"limit", limit}});
  }
  [[nodiscard]] int requests_seen() { return one.requests_seen() + two.requests_seen(); }

  test::Upstream one;
  test::Upstream two;
  test::ClusterFolder cluster{};
  test::RouterProcess router;

 private:
  test::RouterProcess::Options written(const std::string& config, const std::string& workers) {
    cluster.set_config(config);
    cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
    return {.source = cluster.path(), .args = {"--workers", workers}};
  }
};

}  // namespace

TEST_CASE("nodeway: a limit on requests holds for the process, whatever the number of workers",
          "[integration][limits]") {
  const auto* const workers = GENERATE("1", "4");
  constexpr int kLimit = 6;
  TwoEndpoints setup{
      test::always({.body = "ok", .delay = 50ms}), with_limits("concurrency: 6"), workers};
  // The kernel spreads them over the workers.
  std::vector<std::unique_ptr<test::H2Client>> clients;
  std::vector<test::StreamId> streams;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(std::make_unique<test::H2Client>(setup.router.listen_port()));
    streams.push_back(clients.back()->open_get("cart.shop", "/"));
    clients.back()->open_get("cart.shop", "/");
  }

  for (std::size_t i = 0; i < clients.size(); ++i) {
    CHECK(clients[i]->wait(streams[i]).status == 200);
    CHECK(clients[i]->wait(streams[i] + 2).status == 200);
  }

  std::vector<test::TimePoint> begun;
  for (test::Upstream* const upstream : {&setup.one, &setup.two}) {
    for (const test::SeenRequest& request : upstream->requests()) {
      begun.push_back(request.began_at);
    }
  }
  REQUIRE(begun.size() == 48);
  std::sort(begun.begin(), begun.end());
  for (std::size_t i = 0; i + kLimit < begun.size(); ++i) {
    CHECK(begun[i + kLimit] - begun[i] >= 45ms);  // one of them has ended by then
  }
  CHECK(setup.hits("concurrency") > 0);
}

TEST_CASE("nodeway: beyond the limit a request waits for its time, beyond the queue not at all",
          "[integration][limits]") {
  TwoEndpoints setup{test::always({.body = "ok", .held = true}),
                     with_limits("concurrency: 1, queue: {size: 1, timeout: 300ms}"),
                     "1"};
  test::H2Client client{setup.router.listen_port()};
  const auto first = client.open_get("cart.shop", "/");
  client.pump_until("the first request", [&] { return setup.requests_seen() == 1; });

  const auto second = client.open_get("cart.shop", "/");
  const auto third = client.open_get("cart.shop", "/");

  CHECK(client.wait(third).header("nodeway-error") == "overloaded");
  CHECK(client.wait(second).header("nodeway-error") == "queue_timeout");
  CHECK(setup.requests_seen() == 1);
  setup.one.release();
  setup.two.release();
  CHECK(client.wait(first).status == 200);
}

TEST_CASE("nodeway: of those that wait under a limit the one whose deadline ends first goes first",
          "[integration][limits]") {
  TwoEndpoints setup{
      test::always({.body = "ok", .held = true}), with_limits("concurrency: 1"), "1"};
  test::H2Client client{setup.router.listen_port()};
  const auto first = client.open_get("cart.shop", "/");
  client.ping();
  test::eventually("the first request", [&] { return setup.requests_seen() == 1; });
  const auto patient = client.open_get("cart.shop", "/patient");
  const auto hasty = client.open_grpc("cart.shop", "/a.B/Hasty", {{"grpc-timeout", "2S"}});
  client.end(hasty);
  client.ping();  // both are known
  // Each in its turn. A release holds for what is there, so none may be too many.
  test::Upstream& one = setup.one.requests_seen() == 1 ? setup.one : setup.two;
  test::Upstream& two = setup.one.requests_seen() == 1 ? setup.two : setup.one;

  one.release();
  CHECK(client.wait(first).status == 200);
  test::eventually("the second request", [&] { return setup.requests_seen() == 2; });

  CHECK(two.wait_for_request(1).header(":path") == "/a.B/Hasty");
  two.release();
  client.wait(hasty);
  test::eventually("the third request", [&] { return setup.requests_seen() == 3; });
  one.release();
  CHECK(client.wait(patient).status == 200);
}

TEST_CASE("nodeway: a limit of each pod leaves the others their requests",
          "[integration][limits]") {
  TwoEndpoints setup{
      test::always({.body = "ok", .held = true}), with_limits("perEndpoint: 2"), "1"};
  test::H2Client client{setup.router.listen_port()};
  std::vector<test::StreamId> streams;
  for (int i = 0; i < 6; ++i) {
    streams.push_back(client.open_get("cart.shop", "/"));
  }
  client.ping();
  test::eventually("four requests", [&] { return setup.requests_seen() == 4; });
  CHECK(setup.one.requests_seen() == 2);
  CHECK(setup.two.requests_seen() == 2);

  setup.two.release();

  test::eventually("the others", [&] { return setup.two.requests_seen() == 4; });
  CHECK(setup.one.requests_seen() == 2);
  setup.one.release();
  setup.two.release();
  for (const test::StreamId stream : streams) {
    CHECK(client.wait(stream).status == 200);
  }
}

TEST_CASE("nodeway: a Service that hangs holds up no call to another", "[integration][limits]") {
  const test::Fd silent = test::listen_on_loopback(0);  // the kernel accepts; SETTINGS never come
  test::Upstream healthy{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.set_config(
      "version: 1\ndefaults: {timeout: {connect: 1m}, limits: {queue: {timeout: 1m}}}\n");
  cluster.add_service("hung.shop", 80, {{.port = test::local_port(silent)}});
  cluster.add_service("cart.shop", 80, {healthy.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", "1"}}};
  test::H2Client client{router.listen_port()};
  client.ping();  // its limit on streams is known
  for (int i = 0; i < 900; ++i) {
    client.open_get("hung.shop", "/");
  }
  client.ping();
  router.wait_metric("nodeway_streams_open", 900);

  for (int i = 0; i < 20; ++i) {
    CHECK(client.get("cart.shop", "/").body == "ok");
  }

  CHECK(router.metric("nodeway_streams_open", {{"service", "hung"}}) == 900);
}

TEST_CASE("nodeway: pods that report their load get requests by it, after ten seconds",
          "[integration][balance]") {
  TwoEndpoints setup{test::always({.body = "ok", .delay = 1ms}),
                     "version: 1\ndefaults: {balancer: {policy: round_robin}}\n",
                     "1"};
  const auto reporting = [](const std::string& report) {
    return test::always(
        {.headers = {{"endpoint-load-metrics", report}}, .body = "ok", .delay = 1ms});
  };
  setup.one.set_script(reporting("TEXT cpu_utilization=0.2,rps_fractional=100"));
  setup.two.set_script(reporting(R"(JSON {"cpu_utilization":0.8,"rps_fractional":100})"));
  test::Load load{setup.router.listen_port(), "cart.shop", 2};

  int share = 0;
  const auto until = std::chrono::steady_clock::now() + 40s;
  while (share < 65 && std::chrono::steady_clock::now() < until) {
    const int before = setup.one.requests_seen();
    const int all_before = setup.requests_seen();
    load.wait_for_more(100);
    share = (setup.one.requests_seen() - before) * 100 / (setup.requests_seen() - all_before);
  }

  CHECK(share >= 65);  // four times the other's
  CHECK(load.stop().failures.empty());
}
