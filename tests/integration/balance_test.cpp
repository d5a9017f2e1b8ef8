// SPDX-License-Identifier: Apache-2.0
// Requests of one connection are spread over all endpoints, whatever comes and goes.
#include "tests/integration/one_service.hpp"
#include "tests/support/load.hpp"

#include <map>

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

namespace {

/// Three endpoints of `cart.shop`.
struct ThreeEndpoints {
  explicit ThreeEndpoints(const test::Script& script, const std::string& config = {})
      : one{script}, two{script}, three{script}, router{written(config)} {}

  [[nodiscard]] std::array<int, 3> shares() const {
    return {one.requests_seen(), two.requests_seen(), three.requests_seen()};
  }

  test::Upstream one;
  test::Upstream two;
  test::Upstream three;
  test::ClusterFolder cluster{};
  test::RouterProcess router;

 private:
  test::RouterProcess::Options written(const std::string& config) {
    if (!config.empty()) {
      cluster.set_config(config);
    }
    cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint(), three.endpoint()});
    return {.source = cluster.path()};
  }
};

const std::string kRoundRobin = "version: 1\ndefaults: {balancer: {policy: round_robin}}\n";

}  // namespace

TEST_CASE("nodeway: round_robin gives each endpoint of one connection its exact share",
          "[integration][balance]") {
  ThreeEndpoints setup{test::answer(200, "ok"), kRoundRobin};
  test::H2Client client{setup.router.listen_port()};

  for (int i = 0; i < 300; ++i) {
    REQUIRE(client.get("cart.shop", "/").status == 200);
  }

  CHECK(setup.shares() == std::array{100, 100, 100});
}

TEST_CASE("nodeway: peak_ewma spreads calls one by one over equal endpoints",
          "[integration][balance]") {
  // Of some length, beside which a machine's own pauses are nothing.
  ThreeEndpoints setup{test::always({.body = "ok", .delay = 1ms})};
  test::H2Client client{setup.router.listen_port()};

  for (int i = 0; i < 1500; ++i) {
    const test::StreamId stream = client.open_get("cart.shop", "/");
    REQUIRE(client.wait(stream).status == 200);
    client.forget(stream);
  }

  for (const int share : setup.shares()) {
    CHECK(share >= 350);
    CHECK(share <= 700);
  }
}

TEST_CASE("nodeway: peak_ewma spreads calls at once over equal endpoints",
          "[integration][balance]") {
  ThreeEndpoints setup{test::always({.body = "ok", .delay = 2ms})};
  test::Load load{setup.router.listen_port(), "cart.shop", 20};

  while (load.succeeded() < 3000) {
    load.wait_for_more(100);
  }
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
  const double even = static_cast<double>(result.succeeded) / 3;
  for (const int share : setup.shares()) {
    CHECK(share >= 0.7 * even);
    CHECK(share <= 1.4 * even);
  }
}

TEST_CASE("nodeway: peak_ewma avoids an endpoint that is slow", "[integration][balance]") {
  test::Upstream fast{test::always({.body = "ok", .delay = 1ms})};
  test::Upstream slow{test::always({.body = "ok", .delay = 100ms})};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {fast.endpoint(), slow.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::Load load{router.listen_port(), "cart.shop", 4};

  load.wait_for_more(500);
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
  CHECK(slow.requests_seen() > 0);
  CHECK(slow.requests_seen() * 5 < fast.requests_seen());
}

TEST_CASE("nodeway: peak_ewma avoids an endpoint that hangs, though its callers give up first",
          "[integration][balance]") {
  test::Upstream hung{test::answer(200, "ok")};
  test::Upstream well{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {hung.endpoint(), well.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", "1"}}};
  test::H2Client client{router.listen_port()};
  for (int i = 0; i < 50; ++i) {
    REQUIRE(client.get("cart.shop", "/").status == 200);  // both are known to be fast
  }
  hung.set_script(test::always({.held = true}));
  constexpr int kCalls = 50;
  constexpr test::Milliseconds kPatience{200};
  const auto calls_to_hung = [&] {
    const int before = hung.requests_seen();
    for (int i = 0; i < kCalls; ++i) {
      const test::StreamId stream = client.open_get("cart.shop", "/");
      try {
        client.pump_until(
            "a reply", [&] { return client.peek(stream).ended; }, kPatience);
      } catch (const test::Failure&) {
        client.reset(stream, NGHTTP2_CANCEL);
      }
    }
    return hung.requests_seen() - before;
  };

  const int at_first = calls_to_hung();  // strays of up to a second move no traffic
  const int later = calls_to_hung();

  CHECK(at_first > 0);
  CHECK(later < kCalls / 4);
}

TEST_CASE("nodeway: an endpoint that turns calls away at once attracts none",
          "[integration][balance]") {
  const bool is_grpc = GENERATE(false, true);
  CAPTURE(is_grpc);
  // Nothing but the balancer keeps calls from it.
  ThreeEndpoints setup{test::always({.body = "ok", .delay = 5ms}),
                       "version: 1\ndefaults: {retries: {limit: 0}, ejection: {consecutive: 0, "
                       "successRate: false}}\n"};
  setup.one.set_script(is_grpc ? test::always(test::grpc_trailers_only(8, "over its quota"))
                               : test::answer(429, "over its quota"));
  test::H2Client client{setup.router.listen_port()};

  for (int i = 0; i < 150; ++i) {
    if (is_grpc) {
      client.grpc("cart.shop", "/s/M", "");
    } else {
      client.get("cart.shop", "/");
    }
  }

  CHECK(setup.router.metric("nodeway_ejections_total") == 0);
  CHECK(setup.one.requests_seen() > 0);
  CHECK(setup.one.requests_seen() < 25);  // half of an even share
}

TEST_CASE("nodeway: what a Service is balanced by is its own, and can be seen of each endpoint",
          "[integration][balance]") {
  ThreeEndpoints setup{test::answer(200, "ok"),
                       "version: 1\nservices: {bank.shop: {balancer: {policy: round_robin}}}\n"};
  setup.three.set_script(test::always({.body = "ok", .delay = 30ms}));
  setup.cluster.add_service(
      "bank.shop", 80, {setup.one.endpoint(), setup.two.endpoint(), setup.three.endpoint()});
  test::H2Client client{setup.router.listen_port()};
  test::eventually("bank.shop to be known",
                   [&] { return client.get("bank.shop", "/").status == 200; });
  for (int i = 1; i < 60; ++i) {
    REQUIRE(client.get("cart.shop", "/").status == 200);
    REQUIRE(client.get("bank.shop", "/").status == 200);
  }

  const auto page = nlohmann::json::parse(setup.router.http_get("/api/v1/endpoints").body);

  const std::string slow = "127.0.0.1:" + std::to_string(setup.three.port());
  REQUIRE(page.at("rows").size() == 6);
  for (const auto& row : page.at("rows")) {
    CAPTURE(row.dump());
    CHECK((row.at("latency_ms") > 15) == (row.at("address") == slow));
    if (row.at("service") == "bank") {
      CHECK(row.at("requests") == 20);
    } else if (row.at("address") == slow) {
      CHECK(row.at("requests") < 20);
    }
  }
}

TEST_CASE("nodeway: an endpoint added under load is used, with no failure",
          "[integration][change]") {
  ThreeEndpoints setup{test::always({.body = "ok", .delay = 2ms})};
  test::Upstream added{test::always({.body = "ok", .delay = 2ms})};
  test::Load load{setup.router.listen_port(), "cart.shop", 20};
  load.wait_for_more(200);

  setup.cluster.add_service(
      "cart.shop",
      80,
      {setup.one.endpoint(), setup.two.endpoint(), setup.three.endpoint(), added.endpoint()});
  added.wait_for_request(1);
  load.wait_for_more(200);
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
  CHECK(added.requests_seen() > 10);
}

TEST_CASE("nodeway: streams that stay open are load: an endpoint that is added gets the next ones",
          "[integration][change]") {
  const auto* const policy = GENERATE("peak_ewma", "least_request");
  CAPTURE(policy);
  const test::Script stays_open =
      test::always({.body = "first", .at_head = true, .open_end = true});
  test::Upstream one{stays_open};
  test::Upstream two{stays_open};
  test::Upstream added{stays_open};
  test::ClusterFolder cluster;
  cluster.set_config(std::string{"version: 1\ndefaults: {balancer: {policy: "} + policy + "}}\n");
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", "1"}}};
  test::H2Client client{router.listen_port()};
  const auto open_streams = [&client](int n) {
    for (int i = 0; i < n; ++i) {
      client.wait_body(client.open_grpc("cart.shop", "/chat.Chat/Join"), 1);
    }
  };
  open_streams(150);

  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint(), added.endpoint()});
  router.wait_metric("nodeway_endpoints", 3, {{"state", "ready"}});
  open_streams(150);

  // Of two that are drawn it is always the one with less: two of three times. A third would be
  // even.
  CHECK(added.requests_seen() >= 80);
  CHECK(one.requests_open() + two.requests_open() + added.requests_open() == 300);  // none is moved
}

TEST_CASE("nodeway: an endpoint that terminates under load loses nothing",
          "[integration][change]") {
  ThreeEndpoints setup{test::always({.body = "ok", .delay = 5ms})};
  test::Load load{setup.router.listen_port(), "cart.shop", 40};
  load.wait_for_more(500);
  test::eventually("a request to be there", [&] { return setup.three.requests_open() > 0; });

  // As a pod goes: first the slice says so, then the server drains, then it is gone.
  const test::EndpointSpec terminating{
      .port = setup.three.port(), .ready = false, .serving = true, .terminating = true};
  setup.cluster.add_service(
      "cart.shop", 80, {setup.one.endpoint(), setup.two.endpoint(), terminating});
  setup.three.go_away_gracefully(50ms);
  load.wait_for_more(500);
  setup.cluster.add_service("cart.shop", 80, {setup.one.endpoint(), setup.two.endpoint()});
  setup.three.wait_until_open(0);
  setup.three.stop_listening();
  load.wait_for_more(500);
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
}

TEST_CASE("nodeway: an endpoint that drains before the slice says so loses nothing",
          "[integration][change]") {
  ThreeEndpoints setup{test::always({.body = "ok", .delay = 5ms})};
  test::Load load{setup.router.listen_port(), "cart.shop", 40};
  load.wait_for_more(500);
  test::eventually("a request to be there", [&] { return setup.three.requests_open() > 0; });

  setup.three.stop_listening();  // new connections are refused while the slice still has it
  setup.three.go_away_gracefully(10ms);
  load.wait_for_more(500);
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
  CHECK(setup.router.metric("nodeway_repicks_total") +
            setup.router.metric("nodeway_upstream_connects_failed_total") >
        0);
}

TEST_CASE("nodeway: an only endpoint that is replaced before the slice says so loses nothing",
          "[integration][change]") {
  test::OneService path{test::answer(200, "old")};
  test::Upstream next{test::answer(200, "new")};
  REQUIRE(path.client.get("cart.shop", "/").body == "old");
  path.upstream.stop_listening();
  path.upstream.go_away_gracefully(1ms);
  test::eventually("its connection to be gone", [&] {
    return path.router.metric("nodeway_upstream_connections", {{"state", "open"}}) == 0;
  });

  const test::StreamId early = path.client.open_get("cart.shop", "/");
  path.client.pump_for(300ms);
  CHECK_FALSE(path.client.peek(early).ended);
  path.cluster.add_service("cart.shop", 80, {next.endpoint()});

  CHECK(path.client.wait(early).body == "new");
}

TEST_CASE("nodeway: requests under way on a removed endpoint finish there",
          "[integration][change]") {
  test::OneService path{test::always({.body = "late", .held = true})};
  test::Upstream next{test::answer(200, "next")};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  path.cluster.add_service("cart.shop", 80, {next.endpoint()});
  test::H2Client other{path.router.listen_port()};
  next.set_script(test::answer(200, "next"));
  test::eventually("the new endpoint to be used", [&] {
    const test::StreamId probe = other.open_get("cart.shop", "/");
    other.pump_for(20ms);
    return other.peek(probe).body == "next";
  });
  path.upstream.release();

  CHECK(path.client.wait(stream).body == "late");
}

TEST_CASE("nodeway: a Service that is removed becomes unknown, and comes back",
          "[integration][change]") {
  test::OneService path{test::answer(200, "ok")};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);

  path.cluster.remove_service("cart.shop");
  test::eventually("the Service to be unknown", [&] {
    return path.client.get("cart.shop", "/").header("nodeway-error") == "unknown_service";
  });
  path.cluster.add_service("cart.shop", 80, {path.upstream.endpoint()});

  test::eventually("the Service to be back",
                   [&] { return path.client.get("cart.shop", "/").status == 200; });
}

TEST_CASE("nodeway: conditions decide which endpoints are used", "[integration][change]") {
  test::Upstream ready{test::answer(200, "ready")};
  test::Upstream other{test::answer(200, "other")};
  test::ClusterFolder cluster;
  const bool is_terminating = GENERATE(false, true);
  CAPTURE(is_terminating);
  cluster.add_service("cart.shop",
                      80,
                      {ready.endpoint(),
                       {.port = other.port(),
                        .ready = false,
                        .serving = is_terminating,
                        .terminating = is_terminating}});
  // Nobody is ready here: those that terminate but still serve are better than none (KEP-1669).
  cluster.add_service("alone.shop",
                      80,
                      {{.port = other.port(),
                        .ready = false,
                        .serving = is_terminating,
                        .terminating = is_terminating}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  for (int i = 0; i < 20; ++i) {
    CHECK(client.get("cart.shop", "/").body == "ready");
  }
  const test::Reply alone = client.get("alone.shop", "/");

  if (is_terminating) {
    CHECK(alone.body == "other");
  } else {
    CHECK(alone.header("nodeway-error") == "no_endpoints");
  }
}

TEST_CASE("nodeway: several workers serve many connections alike", "[integration][balance]") {
  test::OneService path{test::answer(200, "ok"), {}, {"--workers", "2"}};

  for (int i = 0; i < 40; ++i) {
    test::H2Client client{path.router.listen_port()};
    REQUIRE(client.get("cart.shop", "/").status == 200);
  }

  CHECK(path.router.metric("nodeway_requests_total", {{"service", "cart"}}) == 40);
  CHECK(path.upstream.connections_seen() == 2);  // each worker has pools of its own
  CHECK(path.router.stop() == 0);
}

TEST_CASE(
    "nodeway: ring_hash and maglev send what is alike to the same endpoint, through any router",
    "[integration][balance]") {
  const auto* const policy = GENERATE("ring_hash", "maglev");
  CAPTURE(policy);
  test::Upstream one{test::answer(200, "one")};
  test::Upstream two{test::answer(200, "two")};
  test::Upstream three{test::answer(200, "three")};
  test::ClusterFolder cluster;
  cluster.set_config(std::string{"version: 1\ndefaults: {balancer: {policy: "} + policy +
                     ", hashOn: {header: x-user-id}}}\n");
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint(), three.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::RouterProcess other{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  test::H2Client other_client{other.listen_port()};
  const auto endpoint_of = [](test::H2Client& through, const std::string& user) {
    return through.get("cart.shop", "/", {{"x-user-id", user}}).body;
  };

  std::map<std::string, int> users_of;
  for (int user = 0; user < 60; ++user) {
    const std::string name = std::to_string(user);
    const std::string home = endpoint_of(client, name);
    ++users_of[home];
    for (int i = 0; i < 3; ++i) {
      REQUIRE(endpoint_of(client, name) == home);
      REQUIRE(endpoint_of(other_client, name) == home);
    }
  }

  CHECK(users_of.size() == 3);
}
