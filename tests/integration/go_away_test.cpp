// SPDX-License-Identifier: Apache-2.0
// GOAWAY both ways: the router's own at SIGTERM, and the endpoints'.
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/load.hpp"

#include <csignal>

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>

using namespace std::chrono_literals;

namespace {
constexpr test::StreamId kAnyStream = 0x7fffffff;
}

TEST_CASE("nodeway: SIGTERM lets open streams finish and then exits 0", "[integration][drain]") {
  test::OneService path{test::always({.body = "late", .held = true})};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  path.router.signal(SIGTERM);
  const test::StreamId announced = path.client.wait_go_away();
  path.upstream.release();
  const test::Reply reply = path.client.wait(stream);
  path.client.wait_closed();

  CHECK(announced == kAnyStream);  // first only a warning, so that no stream under way is lost
  CHECK(path.client.go_away_last_stream() == stream);
  CHECK(reply.body == "late");
  CHECK(path.router.wait_exit() == 0);
}

TEST_CASE("nodeway: a stream that crosses the first GOAWAY is served", "[integration][drain]") {
  test::OneService path{test::always({.body = "ok", .held = true})};
  path.client.open_get("cart.shop", "/first");
  path.upstream.wait_for_request(1);
  path.router.signal(SIGTERM);
  test::eventually("the drain to begin",
                   [&] { return path.router.http_get("/ready").status == 503; });

  // GOAWAY is on its way, or there already; the client has not read it.
  const test::StreamId crossing = path.client.open_get("cart.shop", "/crossing");
  path.client.pump_until("the last GOAWAY", [&] {
    return path.client.go_away_last_stream().value_or(kAnyStream) != kAnyStream;
  });
  path.upstream.wait_for_request(2);
  path.upstream.release();
  const test::Reply reply = path.client.wait(crossing);

  CHECK(*path.client.go_away_last_stream() >= crossing);
  CHECK(reply.status == 200);
  CHECK(path.router.wait_exit() == 0);
}

TEST_CASE("nodeway: SIGTERM and SIGINT without any request exit 0", "[integration][drain]") {
  test::OneService path{test::answer(200, "ok")};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);

  const int number = GENERATE(SIGTERM, SIGINT);
  path.router.signal(number);
  path.client.wait_closed();

  CHECK(path.router.wait_exit() == 0);
}

TEST_CASE("nodeway: while it drains it is not ready, and takes no new connections",
          "[integration][drain]") {
  test::OneService path{test::always({.held = true})};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  path.router.signal(SIGTERM);
  path.client.wait_go_away();

  CHECK(path.router.http_get("/ready").status == 503);
  CHECK(path.router.http_get("/live").status == 200);
  bool is_refused = false;
  try {
    test::H2Client late{path.router.listen_port()};
    is_refused = late.get("cart.shop", "/").status != 200;
  } catch (const test::Failure&) {
    is_refused = true;
  }
  CHECK(is_refused);
  path.upstream.release();
  path.client.wait(stream);
  CHECK(path.router.wait_exit() == 0);
}

TEST_CASE("nodeway: the drain ends at its timeout, and exits 1 if that cut a request off",
          "[integration][drain]") {
  test::OneService path{test::always({.held = true}), {}, {"--drain-timeout", "500ms"}};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  const auto began_at = test::SteadyClock::now();
  path.router.signal(SIGTERM);
  const test::Reply reply = path.client.wait(stream);

  CHECK(path.router.wait_exit() == 1);
  CHECK(reply.status != 200);
  CHECK(test::SteadyClock::now() - began_at >= 500ms);
}

TEST_CASE("nodeway: a second SIGTERM exits 1 at once", "[integration][drain]") {
  test::Upstream upstream{test::always({.held = true})};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  // At once: threads are not waited for, which ThreadSanitizer would report.
  test::RouterProcess router{
      {.source = cluster.path(), .environment = {{"TSAN_OPTIONS", "report_thread_leaks=0"}}}};
  test::H2Client client{router.listen_port()};
  client.open_get("cart.shop", "/");
  upstream.wait_for_request(1);
  router.signal(SIGTERM);
  client.wait_go_away();

  router.signal(SIGTERM);

  CHECK(router.wait_exit() == 1);
}

TEST_CASE("nodeway: an HTTP/1.1 client in keep-alive does not hold up the drain",
          "[integration][drain]") {
  test::OneService path{test::answer(200, "ok")};
  test::Http1Client idle{path.router.listen_port()};
  idle.get("nothing.shop", "/");

  path.router.signal(SIGTERM);

  idle.wait_closed();
  path.client.wait_closed();
  CHECK(path.router.wait_exit() == 0);
}

TEST_CASE("nodeway: SIGHUP changes nothing", "[integration][drain]") {
  test::OneService path{test::answer(200, "ok")};

  path.router.signal(SIGHUP);

  CHECK(path.client.get("cart.shop", "/").status == 200);
  CHECK(path.router.stop() == 0);
}

TEST_CASE("nodeway: streams above an endpoint's GOAWAY are re-picked, unseen by the client",
          "[integration][repick]") {
  test::Script leaving = test::answer(200, "ok");
  leaving.go_away_after = 3;
  test::Upstream one{leaving};
  test::Upstream two{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\ndefaults: {balancer: {policy: round_robin}}\n");
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  test::eventually("the endpoint to be used again after its GOAWAY", [&] {
    REQUIRE(client.post("cart.shop", "/", "body").status == 200);
    return one.connections_seen() > 1;
  });

  CHECK(one.requests_seen() >= 3);
  CHECK(router.metric("nodeway_repicks_total") >= 1);
}

TEST_CASE("nodeway: streams that an endpoint's GOAWAY cuts off go to another endpoint",
          "[integration][repick]") {
  test::Script leaving = test::always({.body = "ok", .delay = 20ms});
  leaving.go_away_after = 2;
  test::Upstream one{leaving};
  test::Upstream two{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  std::vector<test::StreamId> streams;
  for (int i = 0; i < 100; ++i) {
    streams.push_back(client.open_get("cart.shop", "/"));
  }

  for (const test::StreamId stream : streams) {
    REQUIRE(client.wait(stream).status == 200);
  }
  CHECK(router.metric("nodeway_repicks_total") >= 1);
}

TEST_CASE("nodeway: an only endpoint that ends each connection after some streams loses nothing",
          "[integration][repick]") {
  test::Script ending = test::always({.body = "ok", .delay = 2ms});
  ending.go_away_after = 25;  // without a notice, so that streams are cut off
  test::OneService path{ending};
  test::Load load{path.router.listen_port(), "cart.shop", 10};

  load.wait_for_more(500);
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
  CHECK(path.upstream.connections_seen() >= 20);
  CHECK(path.router.metric("nodeway_repicks_total") > 0);  // else none was cut off
}

TEST_CASE("nodeway: an endpoint that drains and listens no more holds no request up",
          "[integration][repick]") {
  test::Upstream leaving{test::always({.held = true})};
  test::Upstream staying{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\ndefaults: {balancer: {policy: round_robin}}\n");
  cluster.add_service("cart.shop", 80, {leaving.endpoint(), staying.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", "1"}}};
  test::H2Client client{router.listen_port()};
  for (int i = 0; i < 2; ++i) {  // one of them at each endpoint
    client.open_get("cart.shop", "/long");
  }
  client.pump_until("one to be held", [&] { return leaving.requests_open() == 1; });

  leaving.stop_listening();
  leaving.go_away_gracefully(test::Milliseconds{1});
  router.wait_metric("nodeway_upstream_connections", 1, {{"state", "draining"}});
  const auto began_at = test::SteadyClock::now();
  for (int i = 0; i < 20; ++i) {
    REQUIRE(client.get("cart.shop", "/").status == 200);
  }

  CHECK(test::SteadyClock::now() - began_at < 2s);  // not the queue's 3 s
  CHECK(leaving.requests_open() == 1);
  leaving.release();
}

TEST_CASE("nodeway: a graceful GOAWAY of an endpoint loses nothing", "[integration][repick]") {
  test::OneService path{test::always({.body = "ok", .held = true})};
  const test::StreamId before = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  path.upstream.go_away_gracefully(50ms);
  path.client.pump_for(100ms);
  const test::StreamId after = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(2);
  path.upstream.release();

  CHECK(path.client.wait(before).status == 200);
  CHECK(path.client.wait(after).status == 200);
  CHECK(path.upstream.connections_seen() == 2);
}
