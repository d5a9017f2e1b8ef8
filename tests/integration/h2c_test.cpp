// SPDX-License-Identifier: Apache-2.0
// RFC 7540 section 3.2: an HTTP/1.1 request that offers to go on in HTTP/2.
#include "tests/integration/http1_service.hpp"
#include "tests/integration/one_service.hpp"
#include "tests/support/raw_h2.hpp"

#include <catch2/catch.hpp>

namespace {

using test::FrameType;

/// What curl offers: 100 streams, a window of 10 MiB, no push.
constexpr std::string_view kSettings = "AAMAAABkAAQAoAAAAAIAAAAA";

std::string offer(const std::string& method = "GET") {
  return method + " /a?b HTTP/1.1\r\nHost: cart.shop\r\nX-A: b\r\n" +
         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: " +
         std::string{kSettings} + "\r\n\r\n";
}

/// `cart.shop`, of an HTTP/2 endpoint.
struct H2Service {
  explicit H2Service(test::Script script) : upstream{std::move(script)}, router{written()} {}

  test::Upstream upstream;
  test::ClusterFolder cluster{};
  test::RouterProcess router;

 private:
  test::RouterProcess::Options written() {
    cluster.add_service(
        "cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
    return {.source = cluster.path()};
  }
};

}  // namespace

TEST_CASE("nodeway: a request may make its connection an HTTP/2 one, and is its first stream",
          "[integration][h2c]") {
  H2Service path{test::answer(200, "pong")};
  test::RawH2 client{path.router.listen_port()};
  const bool is_eager = GENERATE(false, true);
  CAPTURE(is_eager);

  client.send(offer() + (is_eager ? std::string{test::kPreface} : ""));
  const std::string granted = client.read_text("\r\n\r\n");
  const auto first = client.read();
  if (!is_eager) {
    client.send(test::kPreface);
  }
  client.send({.type = FrameType::settings});
  client.send({.type = FrameType::settings, .flags = test::kAck});
  const auto head = client.read_until(FrameType::headers);
  const auto body = client.read_until(FrameType::data);
  client.send_headers(3, test::request_headers("GET", "cart.shop", "/next"), true);
  const auto next = client.read_until(FrameType::headers);

  CHECK(granted ==
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
  REQUIRE(first);
  CHECK(first->type == FrameType::settings);
  REQUIRE(head);
  CHECK(head->stream == 1);
  REQUIRE(body);
  CHECK(body->payload == "pong");
  REQUIRE(next);
  CHECK(next->stream == 3);
  CHECK(client.is_alive());
  const test::SeenRequest seen = path.upstream.wait_for_request(1);
  CHECK(seen.header(":method") == "GET");
  CHECK(seen.header(":path") == "/a?b");
  CHECK(seen.header(":authority") == "cart.shop");
  CHECK(seen.header("x-a") == "b");
  CHECK_FALSE(seen.header("http2-settings"));
  CHECK(path.upstream.complaints().empty());
  CHECK(path.router.metric("nodeway_client_connections_open") == 1);
}

TEST_CASE("nodeway: the settings that come with the offer are in force at once",
          "[integration][h2c]") {
  H2Service path{test::answer(200, "pong")};
  test::RawH2 client{path.router.listen_port()};
  std::string small_window = offer();
  // SETTINGS_INITIAL_WINDOW_SIZE = 1.
  small_window.replace(small_window.find(kSettings), kSettings.size(), "AAQAAAAB");

  client.send(small_window + std::string{test::kPreface});
  client.read_text("\r\n\r\n");
  client.send({.type = FrameType::settings});
  const auto first = client.read_until(FrameType::data);
  client.send({.type = FrameType::window_update, .stream = 1, .payload = test::u32(100)});
  const auto second = client.read_until(FrameType::data);

  REQUIRE(first);
  CHECK(first->payload == "p");
  REQUIRE(second);
  CHECK(second->payload == "ong");
}

TEST_CASE("nodeway: HEAD may offer it as well", "[integration][h2c]") {
  H2Service path{{.answer = [](const test::SeenRequest&) {
    return test::Answer{.headers = {{"content-length", "5000"}}};
  }}};
  test::RawH2 client{path.router.listen_port()};

  client.send(offer("HEAD") + std::string{test::kPreface});
  client.read_text("\r\n\r\n");
  client.send({.type = FrameType::settings});
  const auto head = client.read_until(FrameType::headers);

  REQUIRE(head);
  CHECK((head->flags & test::kEndStream) != 0);
  CHECK(client.is_alive());
}

TEST_CASE("nodeway: who offers it can speak HTTP/1.1, and so may its endpoints",
          "[integration][h2c]") {
  test::Http1Service path{test::http1_answer(200, "pong")};  // its port says no protocol
  test::RawH2 client{path.router.listen_port()};

  client.send(offer() + std::string{test::kPreface});
  client.read_text("\r\n\r\n");
  client.send({.type = FrameType::settings});
  const auto body = client.read_until(FrameType::data);

  REQUIRE(body);
  CHECK(body->payload == "pong");
  CHECK(path.upstream.requests().at(0).request_line == "GET /a?b HTTP/1.1");
  CHECK_FALSE(path.upstream.requests().at(0).header("upgrade"));
}

TEST_CASE("nodeway: an offer that cannot be taken up is ignored", "[integration][h2c]") {
  test::Http1Service path{test::http1_answer(200, "pong")};
  const std::string head = "POST / HTTP/1.1\r\nHost: cart.shop\r\nConnection: Upgrade\r\n";
  const std::string request = GENERATE_COPY(
      head + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 1\r\n\r\na",
      head +
          "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nTransfer-Encoding: "
          "chunked\r\n\r\n0\r\n\r\n",
      head + "Upgrade: h2c\r\n\r\n",
      head + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
      head + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAAB\r\n\r\n",
      head + "Upgrade: h2c\r\nHTTP2-Settings: ?\r\n\r\n",
      head + "Upgrade: h2\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
  CAPTURE(request);

  path.client.send(request);
  const test::Reply reply = path.client.read_reply();
  path.client.send(offer());  // nor the second request of a connection
  const test::Reply second = path.client.read_reply();

  CHECK(reply.status == 200);
  CHECK(reply.body == "pong");
  CHECK(second.status == 200);
  CHECK_FALSE(path.upstream.requests().at(1).header("upgrade"));
  CHECK_FALSE(path.upstream.requests().at(1).header("http2-settings"));
}
