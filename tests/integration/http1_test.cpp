// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on either side, or on both.
#include "tests/integration/http1_service.hpp"
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>

using test::Http1Service;

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

TEST_CASE("nodeway: bodies and trailers pass over HTTP/1.1, and trailers stay trailers",
          "[integration][http1]") {
  Http1Service path{test::Http1Answer{
      .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
             "3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n"}};

  path.client.send(
      "POST / HTTP/1.1\r\nHost: cart.shop\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nsome\r\n0\r\nX-Digest: 4\r\n\r\n");
  const test::Reply reply = path.client.read_reply();

  CHECK(reply.body == "abc");
  CHECK(reply.header("trailer") == "X-Sum");
  CHECK_FALSE(reply.header("x-sum"));
  CHECK(reply.trailer("x-sum") == "3");
  const test::Http1Request seen = path.upstream.requests().at(0);
  CHECK_FALSE(seen.header("x-digest"));
  CHECK_THAT(seen.raw, Catch::EndsWith("\r\n0\r\nx-digest: 4\r\n\r\n"));
}

TEST_CASE("nodeway: HTTP/1.1 to an HTTP/2 endpoint, with bodies and trailers",
          "[integration][http1]") {
  test::Upstream upstream{
      test::always({.status = 201, .body = "reply", .trailers = {{"x-sum", "5"}}})};
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
  test::RouterProcess router{{.source = cluster.path()}};
  test::Http1Client client{router.listen_port()};

  client.send(
      "PUT /a?b HTTP/1.1\r\nHost: cart.shop\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nsome\r\n5\r\n body\r\n0\r\nX-Digest: 9\r\n\r\n");
  const test::Reply reply = client.read_reply();

  CHECK(reply.status == 201);
  CHECK(reply.body == "reply");
  CHECK(reply.header("transfer-encoding") == "chunked");
  CHECK(reply.trailer("x-sum") == "5");
  const test::SeenRequest seen = upstream.wait_for_request(1);
  CHECK(seen.header(":method") == "PUT");
  CHECK(seen.header(":path") == "/a?b");
  CHECK(seen.header(":authority") == "cart.shop");
  CHECK(seen.body == "some body");
  CHECK(test::find(seen.trailers, "x-digest") == "9");
  CHECK(upstream.complaints().empty());
}

TEST_CASE("nodeway: HTTP/2 to an HTTP/1.1 endpoint, with bodies and trailers",
          "[integration][http1]") {
  Http1Service path{
      test::Http1Answer{.raw = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nreply\r\n0\r\nX-Sum: 5\r\n\r\n"},
      "http"};
  test::H2Client h2{path.router.listen_port()};
  const test::StreamId stream = h2.open_post("cart.shop", "/a?b");
  h2.send(stream, "some body");
  h2.end(stream, {{"x-digest", "9"}});

  const test::Reply reply = h2.wait(stream);

  CHECK(reply.status == 201);
  CHECK(reply.body == "reply");
  CHECK(reply.trailer("x-sum") == "5");
  CHECK_FALSE(reply.header("transfer-encoding"));
  const test::Http1Request seen = path.upstream.requests().at(0);
  CHECK(seen.request_line == "POST /a?b HTTP/1.1");
  CHECK(seen.header("transfer-encoding") == "chunked");
  CHECK(seen.body == "some body");
  CHECK_THAT(seen.raw, Catch::EndsWith("\r\n0\r\nx-digest: 9\r\n\r\n"));
}

TEST_CASE("nodeway: requests with bodies may be pipelined, to several endpoints",
          "[integration][http1]") {
  Http1Service path{[](const test::Http1Request& request) {
    return test::http1_answer(200, request.request_line + " " + request.body);
  }};

  path.client.send(
      "POST /1 HTTP/1.1\r\nHost: cart.shop\r\nContent-Length: 3\r\n\r\none"
      "POST /2 HTTP/1.1\r\nHost: cart.shop\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: nothing.shop\r\n\r\n"
      "POST /4 HTTP/1.1\r\nHost: cart.shop\r\nContent-Length: 4\r\n\r\nfour");

  CHECK(path.client.read_reply().body == "POST /1 HTTP/1.1 one");
  CHECK(path.client.read_reply().body == "POST /2 HTTP/1.1 two");
  CHECK(path.client.read_reply().status == 404);
  CHECK(path.client.read_reply().body == "POST /4 HTTP/1.1 four");
}

TEST_CASE("nodeway: a client that uses it as its HTTP proxy names Services by absolute targets",
          "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};

  path.client.send("GET http://cart.shop:80/a?b HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
  const test::Reply with_path = path.client.read_reply();
  path.client.send(
      "OPTIONS http://CART.shop HTTP/1.1\r\nHost: CART.shop\r\n"
      "Proxy-Connection: keep-alive\r\n\r\n");
  const test::Reply without = path.client.read_reply();
  path.client.send("GET http://example.com/ HTTP/1.1\r\nHost: cart.shop\r\n\r\n");
  const test::Reply elsewhere = path.client.read_reply();

  CHECK(with_path.status == 200);
  CHECK(without.status == 200);
  CHECK(elsewhere.header("nodeway-error") == "unknown_service");
  const auto seen = path.upstream.requests();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].request_line == "GET /a?b HTTP/1.1");
  CHECK(seen[0].header("host") == "cart.shop:80");
  CHECK(seen[1].request_line == "OPTIONS * HTTP/1.1");
  CHECK_FALSE(seen[1].header("proxy-connection"));
}

TEST_CASE("nodeway: plain CONNECT is not served", "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};

  path.client.send("CONNECT cart.shop:80 HTTP/1.1\r\nHost: cart.shop:80\r\n\r\n");
  const test::Reply reply = path.client.read_reply();

  CHECK(reply.status == 405);
  CHECK(reply.header("nodeway-error") == "method_not_allowed");
}

TEST_CASE("nodeway: 304 and HEAD tell the length of a body that does not come",
          "[integration][http1]") {
  Http1Service path{[](const test::Http1Request& request) {
                      return test::Http1Answer{
                          .raw = request.request_line.starts_with("HEAD")
                                     ? "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
                                     : "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"};
                    },
                    "http"};
  test::H2Client h2{path.router.listen_port()};

  const test::Reply not_modified = path.client.get("cart.shop", "/");
  const test::Reply over_h2 = h2.get("cart.shop", "/");
  const test::Reply head_over_h2 =
      h2.wait(h2.open(test::request_headers("HEAD", "cart.shop", "/"), true));

  for (const test::Reply& reply : {not_modified, over_h2, head_over_h2}) {
    CHECK(reply.header("content-length") == "5000");
    CHECK(reply.body.empty());
    CHECK(reply.ended);
  }
  CHECK(not_modified.status == 304);
  CHECK(path.upstream.connections_seen() == 1);
}

TEST_CASE("nodeway: a client that waits for 100 gets it, and its body arrives",
          "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};

  path.client.send(test::http1_head(
      "PUT", "cart.shop", "/", {{"Content-Length", "4"}, {"Expect", "100-continue"}}));
  path.client.send_after_continue("body");
  const test::Reply reply = path.client.read_reply();

  CHECK(reply.status == 200);
  CHECK(path.upstream.requests().at(0).body == "body");
  CHECK_FALSE(path.upstream.requests().at(0).header("expect"));
}

TEST_CASE("nodeway: informational heads of an HTTP/1.1 endpoint come in their order",
          "[integration][http1]") {
  Http1Service path{test::Http1Answer{.raw = "HTTP/1.1 102 Processing\r\n\r\n"
                                             "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                             "HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n"
                                             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
                    "http"};
  test::H2Client h2{path.router.listen_port()};

  for (const test::Reply& reply : {path.client.get("cart.shop", "/"), h2.get("cart.shop", "/")}) {
    REQUIRE(reply.informational.size() == 3);
    CHECK(test::find(reply.informational[0], ":status") == "102");
    CHECK(test::find(reply.informational[1], "link") == "</a>");
    CHECK(test::find(reply.informational[2], "link") == "</b>");
    CHECK(reply.body == "ok");
  }
}

TEST_CASE(
    "nodeway: a client that waits for 100 is told of a dead endpoint without sending its body",
    "[integration][http1]") {
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {{.port = test::unused_port()}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::Http1Client client{router.listen_port()};

  client.send(test::http1_head(
      "PUT", "cart.shop", "/", {{"Content-Length", "1000000000"}, {"Expect", "100-continue"}}));
  const test::Reply reply = client.read_reply();

  CHECK(reply.status == 503);
  CHECK(reply.header("nodeway-error") == "connect_failed");
  CHECK(reply.informational.empty());
  CHECK(reply.header("connection") == "close");  // or else a body would be awaited
  client.wait_closed();
}
