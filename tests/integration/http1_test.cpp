// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on either side, or on both.
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/http1_upstream.hpp"

#include <catch2/catch.hpp>

namespace {

/// A router with `cart.shop`, an HTTP/1.1 endpoint.
struct Http1Service {
  explicit Http1Service(test::Http1Upstream::Script script, const std::string& app_protocol = {})
      : upstream{std::move(script)}, router{written(app_protocol)}, client{router.listen_port()} {}
  explicit Http1Service(const test::Http1Answer& answer, const std::string& app_protocol = {})
      : Http1Service{[answer](const test::Http1Request&) { return answer; }, app_protocol} {}

  test::Http1Upstream upstream;
  test::ClusterFolder cluster{};
  test::RouterProcess router;
  test::Http1Client client;

 private:
  test::RouterProcess::Options written(const std::string& app_protocol) {
    cluster.add_service("cart.shop", 80, {upstream.endpoint()}, {.app_protocol = app_protocol});
    return {.source = cluster.path(), .args = {"--workers", "1"}};
  }
};

}  // namespace

TEST_CASE("nodeway: HTTP/1.1 requests share connections on both sides", "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "pong")};

  for (int i = 0; i < 10; ++i) {
    const test::Reply reply = path.client.get("cart.shop", "/ping");
    REQUIRE(reply.status == 200);
    REQUIRE(reply.body == "pong");
  }

  CHECK(path.upstream.connections_seen() == 1);
  CHECK(path.router.metric("nodeway_client_connections_total") == 1);
}

TEST_CASE("nodeway: an HTTP/1.1 request arrives as it was sent", "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};

  path.client.post("cart.shop", "/a/b?c=d", "some body", {{"X-Order", "1"}, {"X-Case", "Kept"}});

  REQUIRE(path.upstream.requests_seen() == 1);
  const test::Http1Request seen = path.upstream.requests()[0];
  CHECK(seen.request_line == "POST /a/b?c=d HTTP/1.1");
  CHECK(seen.header("host") == "cart.shop");
  CHECK(seen.header("x-case") == "Kept");
  CHECK(seen.header("content-length") == "9");
  CHECK(seen.body == "some body");
  CHECK_FALSE(seen.header("x-forwarded-for"));
}

TEST_CASE("nodeway: chunked bodies pass both ways", "[integration][http1]") {
  Http1Service path{test::Http1Answer{
      .raw =
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"}};

  path.client.send(
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nsome\r\n5\r\n body\r\n0\r\n\r\n");
  const test::Reply reply = path.client.read_reply();

  CHECK(reply.ended);
  CHECK(reply.body == "abcde");
  CHECK(path.upstream.requests()[0].body == "some body");
}

TEST_CASE("nodeway: requests that are pipelined are answered in their order",
          "[integration][http1]") {
  Http1Service path{[](const test::Http1Request& request) {
    return test::http1_answer(200, request.request_line);
  }};

  path.client.send(
      "GET /1 HTTP/1.1\r\nHost: cart.shop\r\n\r\nGET /2 HTTP/1.1\r\nHost: cart.shop\r\n\r\n");

  CHECK(path.client.read_reply().body == "GET /1 HTTP/1.1");
  CHECK(path.client.read_reply().body == "GET /2 HTTP/1.1");
}

TEST_CASE("nodeway: Connection: close is obeyed on either side", "[integration][http1]") {
  test::Http1Answer closing = test::http1_answer(200, "ok", {{"Connection", "close"}});
  closing.then_close = true;
  Http1Service path{closing};

  REQUIRE(path.client.get("cart.shop", "/").status == 200);
  REQUIRE(path.client.get("cart.shop", "/").status == 200);  // the endpoint's close is not ours
  CHECK(path.upstream.connections_seen() == 2);

  const test::Reply last = path.client.get("cart.shop", "/", {{"Connection", "close"}});
  CHECK(last.status == 200);
  path.client.wait_closed();
}

TEST_CASE("nodeway: HEAD and bodiless replies leave the connection in step",
          "[integration][http1]") {
  Http1Service path{[](const test::Http1Request& request) {
    if (request.request_line.starts_with("HEAD")) {
      return test::Http1Answer{.raw = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"};
    }
    return request.request_line.starts_with("GET /none")
               ? test::Http1Answer{.raw = "HTTP/1.1 204 No Content\r\n\r\n"}
               : test::http1_answer(200, "body");
  }};

  path.client.send("HEAD / HTTP/1.1\r\nHost: cart.shop\r\n\r\n");
  const test::Reply to_head = path.client.read_reply(true);
  const test::Reply none = path.client.get("cart.shop", "/none");
  const test::Reply some = path.client.get("cart.shop", "/some");

  CHECK(to_head.header("content-length") == "5000");
  CHECK(none.status == 204);
  CHECK(some.body == "body");
}

TEST_CASE("nodeway: the port's protocol decides what the endpoint is spoken to",
          "[integration][http1]") {
  Http1Service to_http1{test::http1_answer(200, "from HTTP/1.1"), "http"};
  test::H2Client h2{to_http1.router.listen_port()};
  test::Upstream h2_upstream{test::answer(200, "from HTTP/2")};
  to_http1.cluster.add_service(
      "web.shop", 80, {h2_upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});

  const test::Reply down = h2.post("cart.shop", "/", "body");
  test::eventually("the other Service to be known",
                   [&] { return to_http1.client.get("web.shop", "/").status == 200; });
  const test::Reply up = to_http1.client.post("web.shop", "/up", "body");

  CHECK(down.body == "from HTTP/1.1");
  CHECK(to_http1.upstream.requests()[0].body == "body");
  CHECK(up.body == "from HTTP/2");
  CHECK(h2_upstream.requests().back().body == "body");
}

TEST_CASE("nodeway: large bodies pass over HTTP/1.1 both ways", "[integration][http1]") {
  const std::string large(3 << 20, 'x');
  Http1Service path{
      [](const test::Http1Request& request) { return test::http1_answer(200, request.body); }};

  const test::Reply reply = path.client.post("cart.shop", "/", large);

  CHECK(reply.body == large);
}

TEST_CASE("nodeway: an HTTP/1.1 reply that breaks off does not look whole",
          "[integration][http1]") {
  Http1Service path{test::Http1Answer{.raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                                      .then_close = true}};

  const test::Reply reply = path.client.get("cart.shop", "/");

  CHECK(reply.status == 200);
  CHECK_FALSE(reply.ended);
}

TEST_CASE("nodeway: errors over HTTP/1.1 keep the connection", "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};

  const test::Reply unknown = path.client.get("nothing.shop", "/");
  const test::Reply known = path.client.get("cart.shop", "/");

  CHECK(unknown.status == 404);
  CHECK(unknown.header("nodeway-error") == "unknown_service");
  CHECK(known.status == 200);
}

TEST_CASE("nodeway: framing that peers read differently is refused", "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};
  const auto* const request = GENERATE(
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nContent-Length: 4\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nContent-Length: +4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: cart.shop\r\nHost: other.shop\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: cart.shop\r\nX-Space : 1\r\n\r\n");
  CAPTURE(request);

  path.client.send(request);
  const test::Reply reply = path.client.read_reply();

  CHECK(reply.status == 400);
  CHECK(path.upstream.requests_seen() == 0);
}
