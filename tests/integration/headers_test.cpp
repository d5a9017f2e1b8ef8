// SPDX-License-Identifier: Apache-2.0
// Header fields are left as they came, but for those of docs/headers.md.
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/http1_upstream.hpp"

#include <catch2/catch.hpp>

namespace {

/// Headers without pseudo-headers and without `via`, which the router adds.
test::Headers as_sent(test::Headers headers) {
  std::erase_if(headers, [](const test::Header& header) {
    return header.name.starts_with(':') || header.name == "via";
  });
  return headers;
}

}  // namespace

TEST_CASE("nodeway: a request's headers arrive unchanged and in their order",
          "[integration][headers]") {
  test::OneService path{test::answer(200, "ok")};
  const test::Headers sent{
      {"x-b", "1"},
      {"x-a", "2"},
      {"x-b", "3"},
      {"cookie", "a=1"},
      {"cookie", "b=2"},
      {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
      {"x-forwarded-for", "10.0.0.1"},
      {"x-empty", ""},
      {"grpc-accept-encoding", "gzip"},
      {"x-bin-bin", "AAECAw"}};

  REQUIRE(path.client.get("cart.shop", "/a/%2F/b?q=%20&r=1", sent).status == 200);

  const test::SeenRequest seen = path.upstream.wait_for_request(1);
  CHECK(as_sent(seen.headers) == sent);
  CHECK(seen.header(":method") == "GET");
  CHECK(seen.header(":scheme") == "http");
  CHECK(seen.header(":path") == "/a/%2F/b?q=%20&r=1");
  CHECK(seen.header(":authority") == "cart.shop");
}

TEST_CASE("nodeway: a reply's headers arrive unchanged and in their order",
          "[integration][headers]") {
  const test::Headers sent{{"server", "theirs"},
                           {"set-cookie", "a=1"},
                           {"set-cookie", "b=2"},
                           {"x-b", "1"},
                           {"x-a", "2"},
                           {"date", "Tue, 15 Nov 1994 08:12:31 GMT"}};
  test::OneService path{test::answer(200, "ok", sent)};

  const test::Reply reply = path.client.get("cart.shop", "/");

  test::Headers got = reply.headers;
  std::erase_if(got, [](const test::Header& header) { return header.name == "via"; });
  CHECK(got == sent);
}

TEST_CASE("nodeway: via names the protocol and the process", "[integration][headers]") {
  test::OneService path{test::answer(200, "ok")};
  test::OneService other{test::answer(200, "ok")};
  path.client.get("cart.shop", "/");
  path.client.get("cart.shop", "/", {{"via", "1.1 before"}});
  other.client.get("cart.shop", "/");

  const std::string first = path.upstream.wait_for_request(1).header("via").value_or("");
  const std::string elsewhere = other.upstream.wait_for_request(1).header("via").value_or("");

  CHECK_THAT(first, Catch::Matches("2 nodeway-[0-9a-f]{8}"));
  CHECK(first != elsewhere);
  std::string all;  // one field or two: RFC 9110 section 5.3 takes both for the same
  for (const test::Header& header : path.upstream.wait_for_request(2).headers) {
    if (header.name == "via") {
      all += (all.empty() ? "" : ", ") + header.value;
    }
  }
  CHECK(all == "1.1 before, " + first);
}

TEST_CASE("nodeway: hop-by-hop headers end here", "[integration][headers]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
  test::RouterProcess router{{.source = cluster.path()}};
  test::Http1Client client{router.listen_port()};

  const test::Reply reply = client.get("cart.shop",
                                       "/",
                                       {{"Connection", "keep-alive, X-Private"},
                                        {"X-Private", "1"},
                                        {"Keep-Alive", "timeout=5"},
                                        {"Proxy-Connection", "keep-alive"},
                                        {"TE", "trailers, deflate"},
                                        {"X-Public", "2"}});

  REQUIRE(reply.status == 200);
  const test::SeenRequest seen = upstream.wait_for_request(1);
  for (const auto* const gone :
       {"connection", "x-private", "keep-alive", "proxy-connection", "host"}) {
    CAPTURE(gone);
    CHECK_FALSE(seen.header(gone));
  }
  CHECK(seen.header("x-public") == "2");
  CHECK(seen.header("te").value_or("trailers") == "trailers");
  CHECK_FALSE(seen.header("x-forwarded-for"));
  CHECK(upstream.complaints().empty());
}

TEST_CASE("nodeway: HTTP/2 requests with connection headers are malformed",
          "[integration][headers]") {
  test::OneService path{test::answer(200, "ok")};

  const test::Reply reply = path.client.get("cart.shop", "/", {{"connection", "close"}});

  CHECK(reply.status != 200);  // RFC 9113 section 8.2.2
  CHECK(path.upstream.requests_seen() == 0);
}

TEST_CASE("nodeway: close to 64 KiB of header fields pass both ways, in CONTINUATIONs",
          "[integration][headers]") {
  test::Headers large;
  for (int i = 0; i < 6; ++i) {
    large.push_back({"x-large-" + std::to_string(i), std::string(10'000, '{')});  // no Huffman code
  }
  test::OneService path{test::answer(200, "ok", large)};
  test::Http1Client http1{path.router.listen_port()};
  path.cluster.add_service(
      "web.shop", 80, {path.upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
  test::eventually("the other Service to be known", [&] {
    return http1.get("web.shop", "/").header("nodeway-error") != "unknown_service";
  });

  for (const test::Reply& reply :
       {path.client.get("cart.shop", "/", large), http1.get("web.shop", "/", large)}) {
    CHECK(reply.status == 200);
    CHECK(reply.header("x-large-5") == large.back().value);
    CHECK(path.upstream.requests().back().header("x-large-5") == large.back().value);
  }
}

TEST_CASE("nodeway: crumbs of a cookie become one field in HTTP/1.1", "[integration][headers]") {
  test::Http1Upstream upstream{test::http1_answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "http"});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  client.get("cart.shop", "/", {{"cookie", "a=1"}, {"x-a", "b"}, {"cookie", "b=2; c=3"}});

  const test::Http1Request seen = upstream.requests().at(0);
  CHECK(test::count(seen.headers, "cookie") == 1);
  CHECK(seen.header("cookie") == "a=1; b=2; c=3");
}
