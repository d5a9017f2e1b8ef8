// SPDX-License-Identifier: Apache-2.0
#include "router/h1/server_connection.hpp"

#include "router/exchange/body.hpp"
#include "tests/router/h1/loopback.hpp"

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::BodyState;
using router::Errc;
using router::HeaderList;
using router::ReplyHead;
using router::RequestHead;

namespace {

/// One request as the connection tells it, and a reply as the test wants it.
class Exchange final : public router::ClientEvents {
 public:
  Exchange(router::ClientStream& client, RequestHead request, bool end)
      : stream{&client}, head{std::move(request)}, request_ended{end} {}

  void on_request_data(std::span<const std::byte> bytes) override {
    body += test::text_of(bytes);
    if (credits) {
      stream->consumed(bytes.size());
    }
  }
  void on_request_trailers(HeaderList fields) override {
    request_ended = true;
    trailers = std::move(fields);
  }
  void on_request_end() override { request_ended = true; }
  void on_client_gone(router::Reset how) override { gone = how; }
  void on_reply_sent() override { reply_sent = true; }
  router::Pulled pull_reply(std::span<std::byte> into) override { return reply_body.take(into); }
  const HeaderList& reply_trailers() const override { return outgoing_trailers; }

  void reply(std::uint16_t status, std::string_view text, std::string_view length = {}) {
    ReplyHead reply_head;
    reply_head.status = status;
    if (!length.empty()) {
      reply_head.fields.add_copy("content-length", length);
    }
    reply_body.append(std::as_bytes(std::span{text}));
    reply_body.finish(outgoing_trailers.empty() ? BodyState::ended : BodyState::trailers);
    stream->send_head(std::move(reply_head), text.empty());
  }

  router::ClientStream* stream;
  RequestHead head;
  bool request_ended;
  bool credits = true;
  bool reply_sent = false;
  std::optional<router::Reset> gone;
  std::string body;
  HeaderList trailers;
  HeaderList outgoing_trailers;
  router::Body reply_body;
};

/// A client, its connection, and the exchanges that its requests become.
class Client final : public router::RequestAcceptor {
 public:
  explicit Client(const router::h1::ServerTimeouts& timeouts = {}) {
    connection = std::make_unique<router::h1::ServerConnection>(
        loopback.loop(), loopback.accept(), *this, timeouts);
    connection->start({});
  }

  router::ClientEvents& begin(router::ClientStream& stream,
                              RequestHead head,
                              bool end,
                              router::CallerProtocol /*protocol*/) override {
    Exchange& exchange = exchanges.emplace_back(stream, std::move(head), end);
    on_begin(exchange);
    return exchange;
  }
  void on_unreadable_request(Errc reason) override { unreadable.push_back(reason); }
  void on_connection_closed(router::Disposable& closed) override {
    REQUIRE(&closed == connection.get());
    loopback.loop().destroy_later(std::move(connection));
  }
  void on_limit_hit(router::telemetry::Limit limit) override { limits.push_back(limit); }

  /// Waits for the n-th request (from 1).
  Exchange& request(std::size_t n) {
    loopback.run_until([&] { return exchanges.size() >= n; });
    return *std::next(exchanges.begin(), static_cast<std::ptrdiff_t>(n - 1));
  }

  test::Loopback loopback;
  test::Peer peer{loopback, loopback.connect()};
  std::function<void(Exchange&)> on_begin = [](Exchange&) {};
  std::list<Exchange> exchanges;
  std::vector<Errc> unreadable;
  std::vector<router::telemetry::Limit> limits;
  std::unique_ptr<router::h1::ServerConnection> connection;
};

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: cart.shop\r\n\r\n";

}  // namespace

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

TEST_CASE("ServerConnection: tells a client that waits to go on", "[h1]") {
  Client client;
  client.peer.send(
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");

  CHECK(client.peer.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.peer.send("body");
  client.loopback.run_until([&] { return client.request(1).request_ended; });
  client.request(1).reply(200, "ok", "2");

  CHECK(client.peer.read_until("ok").starts_with("HTTP/1.1 200"));
  CHECK(client.request(1).body == "body");
}

TEST_CASE("ServerConnection: a request that is refused at once gets no 100", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(404, "no", "2"); };

  client.peer.send(
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");

  CHECK(client.peer.read_until("no").starts_with("HTTP/1.1 404"));
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

TEST_CASE("ServerConnection: HTTP/1.0 gets a plain body and the close", "[h1]") {
  Client client;
  client.on_begin = [](Exchange& exchange) { exchange.reply(200, "all of it"); };

  client.peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

  CHECK(client.peer.read_to_end() == "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it");
}

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

TEST_CASE("ServerConnection: a reply that breaks off closes without an end of the body", "[h1]") {
  Client client;
  client.peer.send(kGet);
  Exchange& request = client.request(1);
  request.stream->send_head(ReplyHead{.status = 200, .fields = {}}, false);
  request.reply_body.append(std::as_bytes(std::span{std::string_view{"half"}}));
  request.stream->resume();
  client.peer.read_until("half");

  request.stream->reset(router::Reset::internal_error);

  CHECK(client.peer.read_to_end() == "");
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
  CHECK_FALSE(client.connection);
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
