// SPDX-License-Identifier: Apache-2.0
#include "router/h1/server_connection.hpp"

#include "tests/router/h1/scripted_caller.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

using router::ReplyHead;
using test::kGet;
using Client = test::ScriptedCaller;
using Exchange = test::ScriptedExchange;

TEST_CASE("ServerConnection: answers one request after the other on one connection", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "pong", "4"); };

  for (std::size_t i = 1; i <= 3; ++i) {
    client.peer.send(kGet);
    CHECK(client.peer.read_until("pong") == "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong");
    CHECK(client.request(i).head.path == "/a");
    CHECK(client.request(i).request_ended);
    CHECK(client.request(i).reply_sent);
  }

  CHECK_FALSE(client.peer.is_closed());
}

TEST_CASE("ServerConnection: begins a pipelined request when the reply before it is out", "[h1]") {
  Client client;

  client.peer.send(std::string{kGet} + "GET /b HTTP/1.1\r\nHost: cart.shop\r\n\r\n" +
                   "GET /c HTTP/1.1\r\nHost: cart.shop\r\nConnection: close\r\n\r\n");

  Exchange& first = client.request(1);
  CHECK(client.exchanges.size() == 1);
  first.reply(200, "one");
  client.peer.read_until("one\r\n0\r\n\r\n");
  Exchange& second = client.request(2);
  CHECK(second.head.path == "/b");
  CHECK(client.exchanges.size() == 2);
  second.reply(200, "two");
  client.peer.read_until("two\r\n0\r\n\r\n");
  client.request(3).reply(200, "three");
  CHECK(client.peer.read_to_end().find("connection: close") != std::string::npos);
}

TEST_CASE("ServerConnection: what waits to be parsed counts in the buffers", "[h1]") {
  Client client;
  const auto n_bytes = [&client] {
    return static_cast<std::size_t>(client.loopback.loop().buffers().n_bytes());
  };
  const std::string half_a_head = "GET /b HTTP/1.1\r\nHost: cart.shop\r\nX-Half: ";

  client.peer.send(std::string{kGet} + half_a_head);
  Exchange& first = client.request(1);
  client.loopback.settle();
  CHECK(n_bytes() == half_a_head.size());  // behind a request
  first.reply(200, "one", "3");
  client.peer.read_until("one");
  client.loopback.settle();
  CHECK(n_bytes() == half_a_head.size());  // the beginning of one
  client.peer.send("1\r\n\r\n");
  CHECK(client.request(2).head.n_bytes ==
        std::string_view{"GET /b HTTP/1.1"}.size() + router::field_size(6, 1));

  CHECK(n_bytes() == 0);  // its exchange counts it
}

TEST_CASE("ServerConnection: many pipelined requests are all answered, in order", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) {
    exchange.reply(200, std::string{exchange.head.path} + ";");
  };
  std::string requests;
  for (int i = 0; i < 3000; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: cart.shop\r\n\r\n";
  }

  client.peer.send(requests);

  const std::string replies = client.peer.read_until("/2999;");
  std::size_t at = 0;
  for (int i = 0; i < 3000; ++i) {
    at = replies.find("/" + std::to_string(i) + ";", at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("ServerConnection: passes chunks, trailers and their absence from `te`", "[h1]") {
  Client client;
  client.peer.send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
      "4\r\nsome\r\n0\r\nX-Sum: 1\r\n\r\n");
  Exchange& with_te = client.request(1);
  with_te.outgoing_trailers.add({"x-reply-sum", "2"});
  with_te.reply(200, "body");
  const std::string first = client.peer.read_until("x-reply-sum: 2\r\n\r\n");

  client.peer.send(kGet);
  Exchange& without_te = client.request(2);
  without_te.outgoing_trailers.add({"x-reply-sum", "2"});
  without_te.reply(200, "body");

  CHECK(with_te.body == "some");
  CHECK(with_te.trailers.find("x-sum") == "1");
  CHECK(first.find("transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n") != std::string::npos);
  CHECK(client.peer.read_until("0\r\n\r\n").find("x-reply-sum") == std::string::npos);
}

TEST_CASE("ServerConnection: HEAD gets no body, and the connection stays in step", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "body", "4"); };

  client.peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + std::string{kGet});

  CHECK(client.peer.read_until("body") ==
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody");
}

TEST_CASE("ServerConnection: tells a client that waits to go on, once its body is wanted", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.stream->want_body(); };
  client.peer.send(
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");

  CHECK(client.peer.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.peer.send("body");
  client.loopback.run_until([&] { return client.request(1).request_ended; });
  client.request(1).reply(200, "ok", "2");

  CHECK(client.peer.read_until("ok").starts_with("HTTP/1.1 200"));
  CHECK(client.request(1).body == "body");
}

TEST_CASE("ServerConnection: a request that is refused gets no 100, and its body is not awaited",
          "[h1]") {
  Client client;

  client.peer.send(
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  client.request(1).reply(503, "no", "2");

  const std::string received = client.peer.read_until("no");
  CHECK(received.starts_with("HTTP/1.1 503"));
  CHECK(received.find("connection: close\r\n") != std::string::npos);
}

TEST_CASE("ServerConnection: tells nobody to go on who does not wait for it", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.stream->want_body(); };

  client.peer.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
  client.request(1).reply(200, "ok", "2");

  CHECK(client.peer.read_until("ok").starts_with("HTTP/1.1 200"));
}

TEST_CASE("ServerConnection: informational heads reach HTTP/1.1 clients and no others", "[h1]") {
  const bool is_http10 = GENERATE(false, true);
  Client client;
  client.on_begin = [](Exchange& exchange) {
    ReplyHead hints;
    hints.status = 103;
    hints.fields.add({"link", "</a>"});
    exchange.stream->send_informational(hints);
    exchange.reply(200, "ok", "2");
  };

  client.peer.send(is_http10 ? "GET / HTTP/1.0\r\n\r\n" : kGet);

  const std::string received = client.peer.read_until("ok");
  CHECK((received.find("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n") == 0) != is_http10);
}

namespace {

/// Has the endpoint send informational heads until the client's socket takes no more and some are
/// dropped.
void fill_with_hints(Client& client, Exchange& exchange, std::size_t bytes_of_each) {
  constexpr int kMost = 1000;  // more than any socket takes
  ReplyHead hints;
  hints.status = 103;
  hints.fields.add_copy("link", std::string(bytes_of_each, 'x'));
  const auto is_dropped = [&client] {
    return client.loopback.loop().metrics().hits(router::telemetry::Limit::informational_heads) > 0;
  };
  for (int i = 0; i < kMost && !is_dropped(); ++i) {
    exchange.stream->send_informational(hints);
    client.loopback.settle();
  }
  REQUIRE(is_dropped());
}

}  // namespace

TEST_CASE("ServerConnection: heads that wait for a client that does not read count in the buffers",
          "[h1]") {
  using router::h1::ServerConnection;
  constexpr std::size_t kEach = 20'000;
  constexpr std::size_t kReply = 50'000;
  Client client;
  const auto n_bytes = [&client] {
    return static_cast<std::size_t>(client.loopback.loop().buffers().n_bytes());
  };
  client.peer.send(kGet);
  Exchange& exchange = client.request(1);

  fill_with_hints(client, exchange, kEach);
  const std::size_t with_hints = n_bytes();
  // The output that the socket has not taken, and what is behind it.
  CHECK(with_hints >= ServerConnection::kMaxQueuedBytes);
  CHECK(with_hints <= ServerConnection::kMaxQueuedBytes + router::OutputBuffer::kBytes + 2 * kEach);
  ReplyHead reply;
  reply.status = 200;
  reply.n_bytes = kReply;
  exchange.stream->send_head(std::move(reply), true);
  client.loopback.settle();
  CHECK(n_bytes() == with_hints + kReply);
  client.peer.read_until("HTTP/1.1 200 OK\r\n");
  client.loopback.settle();

  CHECK(n_bytes() == 0);
  CHECK(exchange.reply_sent);
}

TEST_CASE("ServerConnection: with memory at its limit one informational head waits, not more",
          "[h1]") {
  constexpr std::size_t kEach = 20'000;
  Client client;
  router::BufferShare& buffers = client.loopback.loop().buffers();
  buffers.add(router::BufferBudget::kMaxBytes);
  client.loopback.settle();
  client.peer.send(kGet);
  Exchange& exchange = client.request(1);

  fill_with_hints(client, exchange, kEach);

  CHECK(buffers.n_bytes() > router::BufferBudget::kMaxBytes);
  constexpr std::size_t kMost = router::OutputBuffer::kBytes + 2 * kEach;  // what is written, too
  CHECK(buffers.n_bytes() <= router::BufferBudget::kMaxBytes + static_cast<std::int64_t>(kMost));
  buffers.subtract(router::BufferBudget::kMaxBytes);
}

TEST_CASE("ServerConnection: HTTP/1.0 gets a plain body and the close", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "all of it"); };

  client.peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

  CHECK(client.peer.read_to_end() == "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it");
}

TEST_CASE("ServerConnection: stops reading while the endpoint takes nothing", "[h1]") {
  using router::h1::ServerConnection;
  constexpr std::size_t kBytes = 300'000;
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.credits = false; };
  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kBytes) +
                   "\r\n\r\n");

  client.peer.send(std::string(kBytes, 'x'));
  Exchange& request = client.request(1);
  client.loopback.settle();

  const std::size_t held = request.body.size();
  CHECK(held > ServerConnection::kWindowBytes);
  CHECK(held <= ServerConnection::kWindowBytes + router::Loop::kReadBytes);
  while (!request.request_ended) {
    const std::size_t before = request.body.size();
    request.stream->consumed(before - (before > held ? held : 0));
    client.loopback.run_until(
        [&] { return request.request_ended || request.body.size() > before; });
  }
  CHECK(request.body.size() == kBytes);
}
