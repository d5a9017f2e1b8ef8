// SPDX-License-Identifier: Apache-2.0
// How a client's connection ends: refused, timed out, broken off, drained.
#include "router/h1/server_connection.hpp"
#include "tests/router/h1/scripted_caller.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace std::chrono_literals;
using router::Errc;
using router::ReplyHead;
using test::kGet;
using Client = test::ScriptedCaller;
using Exchange = test::ScriptedExchange;

namespace {

/// More than is read ahead, and less than what the kernel takes besides.
constexpr std::size_t kUnread = 150'000;

/// Begins a request that is not read any further than it must be; the kernel has the rest.
Exchange& send_unread(Client& client, const std::string& sent) {
  client.on_begin = [](Exchange& exchange) { exchange.credits = false; };
  client.peer.send(sent);
  Exchange& request = client.request(1);
  client.loopback.settle();
  return request;
}

/// A tunnel to an endpoint that takes nothing of what the client says.
Exchange& open_unread_tunnel(Client& client) {
  Exchange& tunnel = send_unread(
      client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
  tunnel.stream->send_head({.status = 101, .fields = {}, .protocol = "echo"}, false);
  client.peer.read_until("\r\n\r\n");
  client.peer.send(std::string(kUnread, 'x'));
  client.loopback.settle();
  REQUIRE(tunnel.body.size() < kUnread);
  return tunnel;
}

/// Whether a turn in which nothing happens takes as long as it may, which one does not that finds
/// something to do.
bool rests(test::Loopback& loopback) {
  constexpr auto kPatience = 40ms;
  const auto began = std::chrono::steady_clock::now();
  loopback.loop().turn(kPatience);
  return std::chrono::steady_clock::now() - began >= kPatience;
}

}  // namespace

TEST_CASE("ServerConnection: what cannot be read is refused with its reason, and the close",
          "[h1][smuggling]") {
  struct Case {
    std::string text;
    Errc reason;
    std::string status;
  };
  const auto expected = GENERATE(values<Case>(
      {{"GET / HTTP/1.1\r\n\r\n", Errc::bad_request, "400"},
       {"GET / HTTP/1.1\nHost: a\n", Errc::bad_request, "400"},
       {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", Errc::method_not_allowed, "405"},
       {"GET /" + std::string(70'000, 'a'), Errc::headers_too_large, "431"},
       {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        Errc::bad_request,
        "400"}}));
  CAPTURE(expected.text.substr(0, 40));
  Client client;

  client.peer.send(expected.text);
  const std::string received = client.peer.read_to_end();

  CHECK(received.starts_with("HTTP/1.1 " + expected.status));
  CHECK(
      received.find("nodeway-error: " + std::string{router::verdict_of(expected.reason).reason}) !=
      std::string::npos);
  CHECK(received.find("connection: close\r\n") != std::string::npos);
  CHECK(client.unreadable == std::vector{expected.reason});
  CHECK(client.exchanges.empty());
}

TEST_CASE("ServerConnection: a head that comes too slowly is refused", "[h1]") {
  Client client{{.header = 20ms, .idle = 60s, .linger = 2s}};

  client.peer.send("GET / HTTP/1.1\r\nHost: a");

  CHECK(client.peer.read_to_end().starts_with("HTTP/1.1 408"));
  CHECK(client.unreadable == std::vector{Errc::header_timeout});
}

TEST_CASE("ServerConnection: trailers that come too slowly end their request", "[h1]") {
  Client client{{.header = 20ms, .idle = 60s, .linger = 2s}};

  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx-sum: 1");
  Exchange& request = client.request(1);

  CHECK(client.peer.read_to_end().starts_with("HTTP/1.1 408"));
  CHECK(request.gone == router::Reset::protocol_error);
}

TEST_CASE("ServerConnection: trailers behind a body that is not taken are not slow", "[h1]") {
  Client client{{.header = 20ms, .idle = 60s, .linger = 2s}};
  client.on_begin = [](Exchange& exchange) { exchange.credits = false; };
  const std::string chunk(70'000, 'x');  // more than is read ahead
  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   fmt::format("{:x}\r\n", chunk.size()) + chunk + "\r\n0\r\nx-sum: ");
  Exchange& request = client.request(1);
  client.loopback.run_until([&] { return request.body.size() == chunk.size(); });
  client.peer.send("1\r\n\r\n");

  const auto later = std::chrono::steady_clock::now() + 60ms;
  client.loopback.run_until([&] { return std::chrono::steady_clock::now() > later; });
  CHECK_FALSE(request.gone);
  request.stream->consumed(chunk.size());
  client.loopback.run_until([&] { return request.request_ended; });

  CHECK(request.trailers.find("x-sum") == "1");
}

TEST_CASE("ServerConnection: what has come of trailers counts until they are whole", "[h1]") {
  Client client;
  const router::BufferShare& buffers = client.loopback.loop().buffers();
  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
  Exchange& request = client.request(1);
  const std::string half = "x-sum: " + std::string(10'000, '1');

  client.peer.send(half);
  client.loopback.run_until(
      [&] { return buffers.n_bytes() >= static_cast<std::int64_t>(half.size()); });
  client.peer.send("\r\n\r\n");
  client.loopback.run_until([&] { return request.request_ended; });

  CHECK(buffers.n_bytes() == 0);
}

TEST_CASE("ServerConnection: an idle connection is closed without a word", "[h1]") {
  Client client{{.header = 10s, .idle = 20ms, .linger = 2s}};
  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "pong", "4"); };

  client.peer.send(kGet);

  CHECK(client.peer.read_to_end() == "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong");
  CHECK(client.unreadable.empty());
}

TEST_CASE("ServerConnection: a request under way is neither slow nor idle", "[h1]") {
  Client client{{.header = 20ms, .idle = 20ms, .linger = 20ms}};
  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
  Exchange& request = client.request(1);

  const auto later = std::chrono::steady_clock::now() + 60ms;
  client.loopback.run_until([&] { return std::chrono::steady_clock::now() > later; });
  client.peer.send("body");
  client.loopback.run_until([&] { return request.request_ended; });
  request.reply(200, "pong", "4");

  CHECK(client.peer.read_until("pong").starts_with("HTTP/1.1 200"));
}

TEST_CASE("ServerConnection: the rest of a request answered early is awaited for a moment only",
          "[h1]") {
  Client client{{.header = 10s, .idle = 60s, .linger = 20ms}};
  client.on_begin = [](Exchange& exchange) { exchange.reply(413, "no", "2"); };

  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");

  CHECK(client.peer.read_to_end().ends_with("no"));
}

TEST_CASE("ServerConnection: a body that cannot be read ends its request", "[h1][smuggling]") {
  Client client;

  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n" +
                   std::string{kGet});

  CHECK(client.peer.read_to_end().starts_with("HTTP/1.1 400"));
  CHECK(client.exchanges.size() == 1);
  CHECK(client.request(1).gone.has_value());
}

TEST_CASE("ServerConnection: an early reply is announced as the last, and the rest is read",
          "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(413, "no", "2"); };

  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  const std::string received = client.peer.read_until("no");
  client.peer.send("0123456789");

  CHECK(received.find("connection: close\r\n") != std::string::npos);
  CHECK(client.peer.read_to_end().empty());
  CHECK(client.request(1).reply_sent);
}

TEST_CASE("ServerConnection: an early reply keeps the connection if the request is in by then",
          "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(404, "no", "2"); };

  client.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" +
                   std::string{kGet});
  client.request(2);
  client.loopback.settle();

  CHECK_FALSE(client.peer.is_closed());
  CHECK(client.peer.received().find("connection: close") == std::string::npos);
}

TEST_CASE("ServerConnection: a client that goes away cancels its request", "[h1]") {
  Client client;
  client.peer.send(kGet);
  Exchange& request = client.request(1);

  client.peer.close();
  client.loopback.run_until([&] { return request.gone.has_value(); });

  CHECK(request.gone == router::Reset::cancel);
  CHECK_FALSE(client.connection);
}

TEST_CASE("ServerConnection: a client that goes away while it is not read cancels its request",
          "[h1]") {
  const std::string upload =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + std::string(kUnread, 'x');
  const std::string sent = GENERATE_COPY(std::string{kGet} + std::string{kGet}, upload);
  const bool is_reset = GENERATE(false, true);
  CAPTURE(sent.substr(0, 4), is_reset);
  Client client;
  const Exchange& request = send_unread(client, sent);
  REQUIRE(request.body.size() < kUnread);
  REQUIRE_FALSE(request.gone);

  is_reset ? client.peer.reset() : client.peer.close();
  client.loopback.run_until([&] { return request.gone.has_value(); });

  CHECK(request.gone == router::Reset::cancel);
  CHECK(client.exchanges.size() == 1);
  CHECK_FALSE(client.connection);
}

TEST_CASE("ServerConnection: the loop rests while a client that has sent more is not read",
          "[h1]") {
  Client client;
  Exchange& request = send_unread(client, std::string{kGet} + std::string{kGet});
  client.peer.send(kGet);  // which the kernel has
  client.loopback.settle();

  CHECK(rests(client.loopback));

  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "next", "4"); };
  request.reply(200, "one", "3");
  CHECK(client.peer.read_until("nextHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext")
            .starts_with("HTTP/1.1 200"));
  CHECK(client.exchanges.size() == 3);
}

TEST_CASE("ServerConnection: what a client says through a tunnel before its end is not lost unread",
          "[h1][tunnel]") {
  const bool has_endpoint_ended = GENERATE(false, true);
  CAPTURE(has_endpoint_ended);
  Client client;
  Exchange& tunnel = open_unread_tunnel(client);
  if (has_endpoint_ended) {
    tunnel.reply_body.finish(router::BodyState::ended);
    tunnel.stream->resume();
    client.peer.read_to_end();
  }

  client.peer.end();
  client.loopback.settle();
  CHECK_FALSE(tunnel.gone);
  CHECK_FALSE(tunnel.request_ended);
  CHECK(rests(client.loopback));
  tunnel.credits = true;
  tunnel.stream->consumed(tunnel.body.size());
  client.loopback.run_until([&] { return tunnel.request_ended; });

  CHECK(tunnel.body == std::string(kUnread, 'x'));
  CHECK(tunnel.reply_sent == has_endpoint_ended);
  CHECK_FALSE(tunnel.gone);
}

TEST_CASE("ServerConnection: a tunnel's client that is reset is noticed, whatever it said before",
          "[h1][tunnel]") {
  const bool has_ended_before = GENERATE(false, true);
  CAPTURE(has_ended_before);
  Client client;
  const Exchange& tunnel = open_unread_tunnel(client);
  if (has_ended_before) {
    client.peer.end();
    client.loopback.settle();
  }

  client.peer.reset();
  client.loopback.run_until([&] { return tunnel.gone.has_value(); });

  CHECK_FALSE(client.connection);
}

TEST_CASE("ServerConnection: a reply that breaks off closes without an end of the body", "[h1]") {
  Client client;
  client.peer.send(kGet);
  Exchange& request = client.request(1);
  request.stream->send_head(ReplyHead{.status = 200, .fields = {}}, false);
  request.reply_body.append(std::as_bytes(std::span{std::string_view{"half"}}));
  request.stream->resume();
  client.peer.read_until("half");

  request.stream->reset(router::Reset::internal_error);

  CHECK(client.peer.read_to_end().empty());
  CHECK_FALSE(request.gone.has_value());
}

TEST_CASE("ServerConnection: a reply of another length than announced closes the connection",
          "[h1][smuggling]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "longer", "4"); };

  client.peer.send(kGet);

  CHECK(client.peer.read_to_end() == "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
}

TEST_CASE("ServerConnection: draining closes an idle connection at once", "[h1]") {
  Client client;
  client.loopback.settle();

  client.connection->drain();

  CHECK(client.peer.read_to_end().empty());
  client.peer.close();
  client.loopback.run_until([&] { return !client.connection; });
}

TEST_CASE("ServerConnection: a last reply is read whole by a client that still sends", "[h1]") {
  Client client;
  const std::string body(200'000, 'b');
  client.on_begin = [&](Exchange& exchange) { exchange.reply(200, body, "200000"); };
  client.peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.loopback.run_until([&] { return client.request(1).reply_sent; });
  client.loopback.settle();

  client.peer.send("what the kernel would answer with a reset");
  client.loopback.settle();

  CHECK(client.peer.read_to_end().ends_with("\r\n\r\n" + body));
}

TEST_CASE("ServerConnection: draining lets the request end, and says that it is the last", "[h1]") {
  Client client;
  client.peer.send(kGet);
  Exchange& request = client.request(1);

  client.connection->drain();
  request.reply(200, "done", "4");

  CHECK(client.peer.read_to_end() ==
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone");
}
