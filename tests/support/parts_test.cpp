// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cluster_folder.hpp"
#include "tests/support/http1_client.hpp"
#include "tests/support/http1_upstream.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/raw_h2.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

TEST_CASE("Http1Client and Http1Upstream: keep a connection over requests", "[support]") {
  test::Http1Upstream upstream{test::http1_answer(200, "pong", {{"X-Reply", "yes"}})};
  test::Http1Client client{upstream.port()};

  const test::Reply first = client.get("cart.shop", "/one");
  const test::Reply second = client.post("cart.shop", "/two", "ping");

  CHECK(first.body == "pong");
  CHECK(first.header("x-reply") == "yes");
  CHECK(second.status == 200);
  CHECK(upstream.connections_seen() == 1);
  REQUIRE(upstream.requests_seen() == 2);
  CHECK(upstream.requests()[0].raw == "GET /one HTTP/1.1\r\nHost: cart.shop\r\n\r\n");
  CHECK(upstream.requests()[1].body == "ping");
}

TEST_CASE("Http1Client and Http1Upstream: understand chunks both ways", "[support]") {
  test::Http1Upstream upstream{test::Http1Answer{
      .raw = "HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
             "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"}};
  test::Http1Client client{upstream.port()};

  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n0\r\n\r\n");
  const test::Reply reply = client.read_reply();

  CHECK(reply.body == "abcde");
  CHECK(reply.trailer("x-sum") == "5");
  CHECK(reply.informational.size() == 1);
  CHECK(reply.ended);
  CHECK(upstream.requests()[0].body == "ping");
}

TEST_CASE("Http1Client: a reply that breaks off is not whole", "[support]") {
  test::Http1Upstream upstream{test::Http1Answer{
      .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .then_close = true}};
  test::Http1Client client{upstream.port()};

  const test::Reply reply = client.get("a", "/");

  CHECK_FALSE(reply.ended);
  CHECK(reply.reset_code);
}

TEST_CASE("RawH2: speaks with an HTTP/2 server frame by frame", "[support]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::RawH2 raw{upstream.port()};
  raw.shake_hands();

  raw.send_headers(1,
                   {{":method", "GET"},
                    {":scheme", "http"},
                    {":authority", std::string(300, 'a')},
                    {":path", "/"}},
                   true);
  const auto data = raw.read_until(test::FrameType::data);

  REQUIRE(data);
  CHECK(data->payload == "ok");
  CHECK(data->stream == 1);
  CHECK(upstream.wait_for_request(1).header(":authority") == std::string(300, 'a'));
  CHECK(raw.is_alive());
  raw.send_headers(0, {}, true);
  CHECK(raw.expect_connection_error() == 1);  // PROTOCOL_ERROR
}

TEST_CASE("metrics: samples are read with labels and escapes", "[support]") {
  const auto samples = test::parse_metrics(
      "# HELP a_total help\n# TYPE a_total counter\n"
      "a_total{name=\"x\",text=\"say \\\"hi\\\"\\n\"} 3\na_total{name=\"y\"} 4.5\nb 1e3\n");

  REQUIRE(samples.size() == 3);
  CHECK(samples[0].labels.at("text") == "say \"hi\"\n");
  CHECK(test::sum_of(samples, "a_total", {}) == 7.5);
  CHECK(test::sum_of(samples, "a_total", {{"name", "y"}}) == 4.5);
  CHECK(test::sum_of(samples, "b", {}) == 1000);
  CHECK(test::sum_of(samples, "c", {}) == 0);
  CHECK_THROWS(test::parse_metrics("not a metric\n"));
}

TEST_CASE("ClusterFolder: writes one slice per endpoint, and no leftovers", "[support]") {
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop",
                      80,
                      {{.port = 8081}, {.port = 8082, .ready = false, .terminating = true}},
                      {.port_name = "web", .more_ports = {{.number = 81, .name = "grpc"}}});

  std::stringstream text;
  text << std::ifstream{cluster.path() / "cart.shop.yaml"}.rdbuf();
  const auto n_files = std::distance(std::filesystem::directory_iterator{cluster.path()},
                                     std::filesystem::directory_iterator{});
  CHECK(n_files == 1);
  CHECK_THAT(text.str(), Catch::Contains("name: cart-1"));
  CHECK_THAT(text.str(), Catch::Contains("- {port: 8082, protocol: TCP, name: grpc}"));
  CHECK_THAT(text.str(), Catch::Contains("    terminating: true"));
  cluster.remove_service("cart.shop");
  CHECK_FALSE(std::filesystem::exists(cluster.path() / "cart.shop.yaml"));
}

TEST_CASE("RouterProcess: runs to its end", "[.report]") {
  const test::RouterProcess router{{}};
}
