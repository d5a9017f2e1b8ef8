// SPDX-License-Identifier: Apache-2.0
// Each error of docs/errors.md's table, in its HTTP and its gRPC form. What a row says is compared
// with what both kinds of caller get, and with the metric.
#include "tests/support/cluster_folder.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/http1_upstream.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <functional>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>

using namespace std::chrono_literals;

namespace {

const test::Headers kGrpc{{"content-type", "application/grpc"}, {"te", "trailers"}};

struct Row {
  std::string reason;
  int http_status;
  int grpc_status;
};

void check_http_form(const test::Reply& reply, const Row& row) {
  CHECK(reply.status == row.http_status);
  CHECK(reply.header("nodeway-error") == row.reason);
  CHECK_THAT(reply.header("content-type").value_or(""), Catch::StartsWith("text/plain"));
  CHECK_FALSE(reply.body.empty());
  CHECK(std::count(reply.body.begin(), reply.body.end(), '\n') <= 1);  // one line
  CHECK(reply.ended);
}

void check_grpc_form(const test::Reply& reply, const Row& row) {
  CHECK(reply.status == 200);
  CHECK(reply.header("nodeway-error") == row.reason);
  CHECK_THAT(reply.header("content-type").value_or(""), Catch::StartsWith("application/grpc"));
  CHECK(reply.header("grpc-status") == std::to_string(row.grpc_status));
  CHECK_FALSE(reply.header("grpc-message").value_or("").empty());
  CHECK(reply.body.empty());
  CHECK(reply.trailers.empty());  // trailers only: all is in the one head
}

/// Makes both kinds of call and compares what they get with the row.
void check_both_forms(const test::RouterProcess& router,
                      const std::string& authority,
                      const Row& row,
                      const test::Headers& extra = {}) {
  test::H2Client client{router.listen_port()};
  check_http_form(client.post(authority, "/path", "body", extra), row);
  check_grpc_form(client.grpc(authority, "/s/M", "payload", extra), row);
  router.wait_metric("nodeway_responses_total", 2, {{"reason", row.reason}});
}

}  // namespace

TEST_CASE("nodeway: errors that a name alone makes", "[integration][errors]") {
  test::ClusterFolder cluster;
  cluster.add_service("empty.shop", 80, {});
  test::RouterProcess router{{.source = cluster.path()}};

  const auto [authority, row] = GENERATE(table<std::string, Row>({
      {"nothing.shop", {"unknown_service", 404, 12}},
      {"empty.shop:81", {"unknown_port", 404, 12}},
      {"empty.shop", {"no_endpoints", 503, 14}},
      {"no_name!.shop", {"bad_authority", 400, 3}},
      {"empty.shop:eighty", {"bad_authority", 400, 3}},
      {"empty.shop:70000", {"bad_authority", 400, 3}},
      {"empty..shop", {"bad_authority", 400, 3}},
  }));
  CAPTURE(authority);

  check_both_forms(router, authority, row);
}

TEST_CASE("nodeway: connect_failed, when every endpoint refuses connections",
          "[integration][errors]") {
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop", 80, {{.port = test::unused_port()}, {.port = test::unused_port()}});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"connect_failed", 503, 14});
}

TEST_CASE("nodeway: connect_timeout, when an endpoint accepts and says nothing",
          "[integration][errors]") {
  const test::Fd silent = test::listen_on_loopback(0);  // the kernel accepts; SETTINGS never come
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {{.port = test::local_port(silent)}});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"connect_timeout", 503, 14});
}

TEST_CASE("nodeway: stream_refused, when no endpoint is left that has not refused",
          "[integration][errors]") {
  test::Upstream one{test::refuse_every_stream()};
  test::Upstream two{test::refuse_every_stream()};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"stream_refused", 503, 14});

  CHECK(one.requests_seen() == 2);  // never the same pod twice for one request
  CHECK(two.requests_seen() == 2);
}

TEST_CASE("nodeway: upstream_reset, when the endpoint resets before its reply",
          "[integration][errors]") {
  test::Upstream upstream{test::always({.reset = NGHTTP2_INTERNAL_ERROR})};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"upstream_reset", 502, 14});
}

TEST_CASE("nodeway: upstream_reset, when the connection breaks with requests on it",
          "[integration][errors]") {
  test::Upstream upstream{test::always({.close_connection = true})};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"upstream_reset", 502, 14});
}

TEST_CASE("nodeway: upstream_protocol_error, when the endpoint speaks something else",
          "[integration][errors]") {
  test::Http1Upstream upstream{test::http1_answer(200, "not HTTP/2")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"upstream_protocol_error", 502, 13});
}

TEST_CASE("nodeway: upstream_protocol_error, when a status is none", "[integration][errors]") {
  test::Upstream upstream{test::always({.status = 50, .body = "x"})};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"upstream_protocol_error", 502, 13});
}

TEST_CASE("nodeway: queue_timeout, when no endpoint becomes usable in time",
          "[integration][errors]") {
  test::Script script = test::answer(200, "never");
  script.max_concurrent_streams = 0;
  test::Upstream upstream{script};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\ndefaults: {limits: {queue: {timeout: 300ms}}}\n");
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"queue_timeout", 503, 14});
}

TEST_CASE("nodeway: overloaded, when the queue of a Service is full", "[integration][errors]") {
  test::Script script = test::answer(200, "never");
  script.max_concurrent_streams = 0;
  test::Upstream upstream{script};
  test::ClusterFolder cluster;
  cluster.set_config(
      "version: 1\nservices: {cart.shop: {limits: {queue: {size: 1, timeout: 20s}}}}\n");
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client waiting{router.listen_port()};
  waiting.open_get("cart.shop", "/waits");
  router.wait_metric("nodeway_requests_queued", 1);  // before another worker's

  check_both_forms(router, "cart.shop", {"overloaded", 503, 14});
}

TEST_CASE("nodeway: the queue of a Service is as long with four workers as with one",
          "[integration][errors][workers]") {
  constexpr int kClients = 60;  // each worker has several, whatever the kernel's hash
  constexpr int kQueue = 8;
  const std::string n_workers = GENERATE("1", "4");
  CAPTURE(n_workers);
  test::Script script = test::answer(200, "never");
  script.max_concurrent_streams = 0;
  test::Upstream upstream{script};
  test::ClusterFolder cluster;
  cluster.set_config(
      "version: 1\nservices: {cart.shop: {limits: {queue: {size: 8, timeout: 60s}}}}\n");
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", n_workers}}};
  std::vector<std::unique_ptr<test::H2Client>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<test::H2Client>(router.listen_port()));
  }

  for (const auto& client : clients) {
    client->open_get("cart.shop", "/waits");
  }

  router.wait_metric("nodeway_responses_total", kClients - kQueue, {{"reason", "overloaded"}});
  CHECK(router.metric("nodeway_requests_queued") == kQueue);
}

TEST_CASE("nodeway: deadline_exceeded, by the configured timeout", "[integration][errors]") {
  test::Upstream upstream{test::always({.held = true})};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\nservices: {cart.shop: {timeout: {request: 200ms}}}\n");
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  check_both_forms(router, "cart.shop", {"deadline_exceeded", 504, 4});

  upstream.wait_until_open(0);  // the endpoint is told
}

TEST_CASE("nodeway: method_not_allowed for CONNECT", "[integration][errors]") {
  test::ClusterFolder cluster;
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const test::StreamId stream =
      client.open({{":method", "CONNECT"}, {":authority", "cart.shop:80"}}, false);

  check_http_form(client.wait(stream), {"method_not_allowed", 405, 12});
}

TEST_CASE("nodeway: loop, when a request has its own mark already", "[integration][errors]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  REQUIRE(client.get("cart.shop", "/").status == 200);
  const auto mark = upstream.wait_for_request(1).header("via");
  REQUIRE(mark);

  const std::string via = GENERATE(as<std::string>{}, "", "1.1 someone, ", "2 nodeway-00000000, ");

  check_both_forms(router, "cart.shop", {"loop", 508, 10}, {{"via", via + *mark}});
  CHECK(upstream.requests_seen() == 1);
}

TEST_CASE("nodeway: headers_too_large, beyond 64 KiB of header fields", "[integration][errors]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};

  test::Headers large;
  for (int i = 0; i < 10; ++i) {
    large.push_back({"x-large-" + std::to_string(i), std::string(8000, 'x')});
  }

  check_both_forms(router, "cart.shop", {"headers_too_large", 431, 8}, large);
  CHECK(upstream.requests_seen() == 0);
}

TEST_CASE("nodeway: not_ready, as long as the first configuration is wrong",
          "[integration][errors]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.set_config("version: 7\n");
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .wait_ready = false}};

  check_both_forms(router, "cart.shop", {"not_ready", 503, 14});
}

TEST_CASE("nodeway: bad_request, for an HTTP/1.1 request that is none", "[integration][errors]") {
  test::ClusterFolder cluster;
  test::RouterProcess router{{.source = cluster.path()}};
  test::Http1Client client{router.listen_port()};

  client.send("GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n");
  const test::Reply reply = client.read_reply();

  check_http_form(reply, {"bad_request", 400, 13});
  client.wait_closed();
}

TEST_CASE("nodeway: header_timeout, when a head does not come to its end",
          "[integration][errors][slow]") {
  test::ClusterFolder cluster;
  test::RouterProcess router{{.source = cluster.path()}};
  test::Http1Client client{router.listen_port()};

  client.send("GET / HTTP/1.1\r\nHost: cart.shop\r\nX-Unfini");
  const auto began_at = test::SteadyClock::now();
  // The default is 10 s, which is as long as the client's patience.
  test::Reply reply;
  try {
    reply = client.read_reply();
  } catch (const test::Failure&) {
    reply = client.read_reply();
  }

  CHECK(reply.status == 408);
  CHECK(reply.header("nodeway-error") == "header_timeout");
  CHECK(test::SteadyClock::now() - began_at > 8s);
  CHECK(router.metric("nodeway_limit_hits_total", {{"limit", "header_timeout"}}) == 1);
}

TEST_CASE("nodeway: an endpoint's nodeway-error is stripped", "[integration][errors]") {
  test::Answer lying = test::grpc_answer({"x"}, 14, "mine");
  lying.headers.push_back({"nodeway-error", "forged"});
  lying.trailers.push_back({"nodeway-error", "forged"});
  test::Upstream upstream{test::always(lying)};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const test::Reply reply = client.grpc("cart.shop", "/s/M", "");

  CHECK(reply.grpc_status() == 14);
  CHECK(reply.grpc_message() == "mine");
  CHECK_FALSE(reply.header("nodeway-error"));
  CHECK_FALSE(reply.trailer("nodeway-error"));
}

TEST_CASE("nodeway: a reply that breaks after its head ends as its protocol wants",
          "[integration][errors]") {
  test::Upstream upstream{{.answer = [](const test::SeenRequest& request) {
    test::Answer broken{.open_end = true};
    if (request.header("content-type") == "application/grpc") {
      broken.headers = {{"content-type", "application/grpc"}};
    }
    broken.body = request.header(":path") == "/s/Whole" ? test::grpc_frame("whole") : "half";
    return broken;
  }}};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const auto break_off = [&](test::StreamId stream) {
    client.wait_body(stream, 4);
    upstream.reset_streams(NGHTTP2_INTERNAL_ERROR);
    return client.wait(stream);
  };

  const test::Reply whole = break_off(client.open_get("cart.shop", "/s/Whole", kGrpc));
  const test::Reply half = break_off(client.open_get("cart.shop", "/s/Half", kGrpc));
  const test::Reply http = break_off(client.open_get("cart.shop", "/"));

  CHECK(whole.grpc_status() == 14);
  CHECK(whole.trailer("nodeway-error") == "upstream_reset");
  CHECK(whole.ended);
  CHECK(half.reset_code == NGHTTP2_INTERNAL_ERROR);
  CHECK(http.status == 200);
  CHECK(http.reset_code == NGHTTP2_INTERNAL_ERROR);
}
