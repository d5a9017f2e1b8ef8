// SPDX-License-Identifier: Apache-2.0
// Re-picks: what provably reached no application goes to another endpoint. And the peers' limit of
// streams.
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

TEST_CASE("nodeway: REFUSED_STREAM is re-picked on another endpoint, unseen by the client",
          "[integration][repick]") {
  test::Upstream refusing{test::refuse_every_stream()};
  test::Upstream healthy{test::answer(200, "pong")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {refusing.endpoint(), healthy.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  for (int i = 0; i < 50; ++i) {
    const test::Reply reply = client.get("cart.shop", "/ping");
    REQUIRE(reply.status == 200);
    REQUIRE(reply.body == "pong");
  }

  CHECK(refusing.requests_seen() > 0);   // otherwise this test showed nothing
  CHECK(refusing.requests_seen() < 25);  // it is left alone for a while each time
  CHECK(router.metric("nodeway_repicks_total") >= 1);
  CHECK(router.stop() == 0);
}

TEST_CASE("nodeway: the time at an endpoint that refuses late is no wait for an endpoint",
          "[integration][repick]") {
  test::Upstream refusing{test::always({.delay = 600ms, .reset = NGHTTP2_REFUSED_STREAM})};
  test::Upstream healthy{test::answer(200, "pong")};
  test::ClusterFolder cluster;
  cluster.set_config(
      "version: 1\ndefaults: {balancer: {policy: round_robin}, limits: {queue: {timeout: "
      "300ms}}}\n");
  cluster.add_service("cart.shop", 80, {refusing.endpoint(), healthy.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("cart.shop", "/").status == 200);
  CHECK(client.get("cart.shop", "/").status == 200);

  CHECK(refusing.requests_seen() == 1);
}

TEST_CASE("nodeway: a refused POST takes its body along to the next endpoint",
          "[integration][repick]") {
  test::Upstream refusing{test::refuse_every_stream()};
  test::Upstream healthy{test::answer(200, "pong")};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\ndefaults: {balancer: {policy: round_robin}}\n");
  cluster.add_service("cart.shop", 80, {refusing.endpoint(), healthy.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  const std::string body(2000, 'b');

  for (int i = 0; i < 10; ++i) {
    REQUIRE(client.post("cart.shop", "/", body).status == 200);
  }

  CHECK(refusing.requests_seen() > 0);
  for (const test::SeenRequest& seen : healthy.requests()) {
    CHECK(seen.body == body);
  }
}

TEST_CASE("nodeway: a refused connection is re-picked on another endpoint",
          "[integration][repick]") {
  test::Upstream healthy{test::answer(200, "pong")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {{.port = test::unused_port()}, healthy.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  for (int i = 0; i < 50; ++i) {
    REQUIRE(client.post("cart.shop", "/", "body").status == 200);
  }

  CHECK(router.metric("nodeway_upstream_connects_failed_total") >= 1);
  CHECK(healthy.requests_seen() == 50);
}

TEST_CASE("nodeway: a reset that is no refusal is not repeated for a POST",
          "[integration][repick]") {
  test::Upstream one{test::always({.reset = NGHTTP2_INTERNAL_ERROR})};
  test::Upstream two{test::always({.reset = NGHTTP2_INTERNAL_ERROR})};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const test::Reply reply = client.post("cart.shop", "/", "pay");

  CHECK(reply.status == 502);
  CHECK(one.requests_seen() + two.requests_seen() == 1);
}

TEST_CASE("nodeway: an endpoint that comes back is used again", "[integration][repick]") {
  test::OneService path{test::answer(200, "ok")};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);
  path.upstream.stop_listening();
  path.upstream.close_connections();
  test::eventually("failures to be seen",
                   [&] { return path.client.get("cart.shop", "/").status != 200; });

  path.upstream.listen_again();

  test::eventually("success", [&] { return path.client.get("cart.shop", "/").status == 200; });
}

TEST_CASE("nodeway: a peer's limit of streams is honoured from the first frame",
          "[integration][settings]") {
  const std::uint32_t limit = GENERATE(1U, 3U);
  CAPTURE(limit);
  test::Script script = test::always({.body = "ok", .delay = 5ms});
  script.max_concurrent_streams = limit;
  test::OneService path{script};

  std::vector<test::StreamId> streams;
  for (int i = 0; i < 60; ++i) {
    streams.push_back(path.client.open_get("cart.shop", "/"));
  }
  for (const test::StreamId stream : streams) {
    REQUIRE(path.client.wait(stream).status == 200);
  }

  CHECK(path.upstream.max_streams_open() <= static_cast<int>(limit));
  CHECK(path.upstream.streams_over_limit() == 0);
  CHECK(path.upstream.complaints().empty());
  CHECK(path.router.metric("nodeway_repicks_total") == 0);  // honoured, not refused and tried again
}

TEST_CASE("nodeway: streams beyond a peer's limit get further connections, and can be seen",
          "[integration][settings]") {
  test::Script script = test::always({.body = "ok", .held = true});
  script.max_concurrent_streams = 2;
  test::OneService path{script, {}, {"--workers", "1"}};
  std::vector<test::StreamId> streams;
  for (int i = 0; i < 10; ++i) {
    streams.push_back(path.client.open_get("cart.shop", "/"));
  }
  path.client.ping();

  path.upstream.wait_until_open(10);  // none waits for another's end

  CHECK(path.upstream.connections_open() == 5);
  CHECK(path.upstream.streams_over_limit() == 0);
  const auto page = nlohmann::json::parse(path.router.http_get("/api/v1/endpoints").body);
  CHECK(page.at("rows").at(0).at("in_flight") == 10);
  CHECK(page.at("rows").at(0).at("connections") == 5);
  path.upstream.release();
  for (const test::StreamId stream : streams) {
    CHECK(path.client.wait(stream).status == 200);
  }
}

TEST_CASE("nodeway: connections to endpoints are shared by many requests",
          "[integration][settings]") {
  test::OneService path{test::always({.body = "ok", .delay = 5ms}), {}, {"--workers", "1"}};

  std::vector<test::StreamId> streams;
  for (int i = 0; i < 100; ++i) {
    streams.push_back(path.client.open_get("cart.shop", "/"));
  }
  for (const test::StreamId stream : streams) {
    REQUIRE(path.client.wait(stream).status == 200);
  }

  CHECK(path.upstream.connections_seen() == 1);
  CHECK(path.upstream.max_streams_open() > 10);
}

TEST_CASE("nodeway: a peer's small stream window is honoured", "[integration][settings]") {
  test::Script script = test::answer(200, "ok");
  script.stream_window_bytes = 1000;
  test::OneService path{script};

  const test::Reply reply = path.client.post("cart.shop", "/", std::string(100'000, 'x'));

  CHECK(reply.status == 200);
  CHECK(path.upstream.wait_for_request(1).body_bytes == 100'000);
  CHECK(path.upstream.complaints().empty());
}

TEST_CASE("nodeway: a client's small stream window is honoured", "[integration][settings]") {
  test::OneService path{test::always({.filler_bytes = 100'000})};
  test::H2Client narrow{path.router.listen_port(), {.stream_window_bytes = 1000}};
  const test::StreamId stream = narrow.open_get("cart.shop", "/");
  narrow.set_reading(stream, false);
  narrow.wait_body(stream, 1000);
  narrow.pump_for(50ms);
  CHECK(narrow.peek(stream).body_bytes == 1000);

  narrow.set_stream_window(2000);
  narrow.wait_body(stream, 2000);
  narrow.set_reading(stream, true);

  CHECK(narrow.wait(stream).body_bytes == 100'000);
}
