// SPDX-License-Identifier: Apache-2.0
#include "router/h1/client_connection.hpp"

#include "tests/router/h1/scripted_endpoint.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::Errc;
using router::Sent;
using Attempt = test::ScriptedAttempt;
using Endpoint = test::ScriptedEndpoint;
using Pool = test::ScriptedPool;

TEST_CASE("ClientConnection: sends one request after the other on one connection", "[h1]") {
  Endpoint endpoint;

  for (int i = 1; i <= 3; ++i) {
    Attempt attempt;
    endpoint.open(attempt);
    CHECK(endpoint.pool.connection->free_streams() == 0);
    CHECK(endpoint.peer.read_until("\r\n\r\n") == "GET /a HTTP/1.1\r\nhost: cart.shop\r\n\r\n");
    endpoint.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong");
    endpoint.loopback.run_until([&] { return attempt.is_closed; });

    CHECK(attempt.status == 200);
    CHECK(attempt.body == "pong");
    CHECK(attempt.reply_ended);
    CHECK(endpoint.pool.capacity_events == i);
  }

  CHECK_FALSE(endpoint.pool.disconnected.has_value());
}

TEST_CASE("ClientConnection: passes chunks and trailers both ways", "[h1]") {
  Endpoint endpoint;
  Attempt attempt{"POST"};
  attempt.outgoing_trailers.add({"x-sum", "1"});
  endpoint.open(attempt, false);
  attempt.append("some");
  CHECK(endpoint.peer.read_until("4\r\nsome\r\n").find("transfer-encoding: chunked\r\n") !=
        std::string::npos);
  attempt.append("more");
  attempt.finish();
  CHECK(endpoint.peer.read_until("\r\n\r\n") == "4\r\nmore\r\n0\r\nx-sum: 1\r\n\r\n");

  endpoint.peer.send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 2\r\n\r\n");
  endpoint.loopback.run_until([&] { return attempt.is_closed; });

  CHECK(attempt.body == "abc");
  CHECK(attempt.trailers.find("x-sum") == "2");
}

TEST_CASE("ClientConnection: passes informational heads on", "[h1]") {
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      "HTTP/1.1 204 No Content\r\n\r\n");
  endpoint.loopback.run_until([&] { return attempt.is_closed; });

  CHECK(attempt.informational == std::vector<std::uint16_t>{100, 103});
  CHECK(attempt.status == 204);
}

TEST_CASE("ClientConnection: a body may end with the connection", "[h1]") {
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send("HTTP/1.0 200 OK\r\n\r\nall of it");
  endpoint.loopback.run_until([&] { return attempt.body == "all of it"; });
  CHECK(endpoint.pool.is_draining);
  CHECK_FALSE(attempt.reply_ended);
  endpoint.peer.close();
  endpoint.loopback.run_until([&] { return endpoint.pool.disconnected.has_value(); });

  CHECK(attempt.reply_ended);
  CHECK(attempt.is_closed);
  CHECK_FALSE(attempt.failure.has_value());
}

TEST_CASE("ClientConnection: `connection: close` ends it with the reply", "[h1]") {
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  CHECK(endpoint.peer.read_to_end().empty());

  CHECK(attempt.is_closed);
  CHECK(endpoint.pool.is_draining);
  CHECK(endpoint.pool.was_connected);
}

TEST_CASE("ClientConnection: bytes behind a reply never become the next request's reply",
          "[h1][smuggling]") {
  Endpoint endpoint;
  Attempt first;
  Attempt second;
  endpoint.pool.waiting = {&second};  // opened from inside `on_capacity`, if that comes
  endpoint.open(first);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: "
      "4\r\n\r\nevil");
  endpoint.loopback.run_until([&] { return endpoint.pool.disconnected.has_value(); });

  CHECK(first.is_closed);
  CHECK(first.body == "ok");
  CHECK(second.status == 0);
}

TEST_CASE("ClientConnection: bytes on an idle connection end it", "[h1][smuggling]") {
  Endpoint endpoint;

  endpoint.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  endpoint.loopback.run_until([&] { return endpoint.pool.disconnected.has_value(); });

  CHECK(endpoint.pool.was_connected);
}

TEST_CASE("ClientConnection: a reply that came before the request was sent is not its reply",
          "[h1][smuggling]") {
  Endpoint endpoint;
  Attempt attempt;
  endpoint.loopback.settle();
  endpoint.peer.send_unseen("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");

  // In the turn that reads those bytes, whose writes come at its end.
  endpoint.loopback.loop().in_next_turn([&] { endpoint.open(attempt); });
  endpoint.loopback.run_until([&] { return attempt.failure || attempt.is_closed; });

  REQUIRE(attempt.failure.has_value());
  CHECK(attempt.failure->sent == Sent::no);
  CHECK(attempt.failure->may_return);
  CHECK(attempt.status == 0);
}

TEST_CASE("ClientConnection: an endpoint that closes fails the attempt, which may have been seen",
          "[h1]") {
  const std::string part =
      GENERATE("",
               "HTTP/1.1 200 OK\r\n",
               "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nha\r\n");
  CAPTURE(part);
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send(part);
  endpoint.peer.close();
  endpoint.loopback.run_until([&] { return attempt.failure.has_value(); });

  CHECK(attempt.failure->reason == Errc::upstream_reset);
  CHECK(attempt.failure->sent == Sent::maybe);
  CHECK_FALSE(attempt.reply_ended);
  CHECK(endpoint.pool.disconnected.has_value());
}

TEST_CASE("ClientConnection: a reply that cannot be read fails the attempt", "[h1][smuggling]") {
  const std::string reply =
      GENERATE("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
               "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
               "HTTP/1.1 101 Switching Protocols\r\n\r\n",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
               "SSH-2.0-OpenSSH\r\n\r\n");
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send(reply);
  endpoint.loopback.run_until([&] { return attempt.failure.has_value(); });

  CHECK(attempt.failure->reason == Errc::upstream_protocol_error);
  CHECK(attempt.failure->sent == Sent::maybe);
  CHECK(endpoint.peer.read_to_end().empty());
}

TEST_CASE("ClientConnection: stops reading while the client takes nothing", "[h1]") {
  using router::h1::ClientConnection;
  constexpr std::size_t kBytes = 300'000;
  Endpoint endpoint;
  Attempt attempt;
  attempt.credits = false;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBytes) + "\r\n\r\n" +
                     std::string(kBytes, 'x'));
  endpoint.loopback.settle();

  const std::size_t held = attempt.body.size();
  CHECK(held > ClientConnection::kWindowBytes);
  CHECK(held <= ClientConnection::kWindowBytes + router::Loop::kReadBytes);
  std::size_t credited = 0;
  while (!attempt.is_closed) {
    const std::size_t before = attempt.body.size();
    attempt.stream->consumed(before - std::exchange(credited, before));
    endpoint.loopback.run_until([&] { return attempt.is_closed || attempt.body.size() > before; });
  }
  CHECK(attempt.body.size() == kBytes);
}

TEST_CASE("ClientConnection: a reply before the whole request ends both", "[h1]") {
  Endpoint endpoint;
  Attempt attempt{"POST"};
  endpoint.open(attempt, false);
  attempt.append("some");
  endpoint.peer.read_until("some");

  endpoint.peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  endpoint.loopback.run_until([&] { return endpoint.pool.disconnected.has_value(); });

  CHECK(attempt.status == 413);
  CHECK(attempt.is_closed);
  CHECK_FALSE(attempt.failure.has_value());
}

TEST_CASE("ClientConnection: a reset closes the connection, without an event of the stream",
          "[h1]") {
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  attempt.stream->reset(router::Reset::cancel);
  CHECK_FALSE(endpoint.pool.disconnected.has_value());  // not from inside the call
  endpoint.peer.read_to_end();

  CHECK(endpoint.pool.disconnected.has_value());
  CHECK_FALSE(attempt.failure.has_value());
  CHECK_FALSE(attempt.is_closed);
}

TEST_CASE("ClientConnection: draining waits for the request under way", "[h1]") {
  Endpoint endpoint;
  Attempt attempt;
  endpoint.open(attempt);
  endpoint.peer.read_until("\r\n\r\n");

  endpoint.pool.connection->drain();
  CHECK(endpoint.pool.is_draining);
  endpoint.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  endpoint.peer.read_to_end();

  CHECK(attempt.is_closed);
  CHECK(endpoint.pool.disconnected.has_value());
}

TEST_CASE("ClientConnection: draining closes an idle connection", "[h1]") {
  Endpoint endpoint;

  endpoint.pool.connection->drain();

  CHECK(endpoint.pool.disconnected.has_value());
  CHECK(endpoint.peer.read_to_end().empty());
}

TEST_CASE("ClientConnection: nobody listening is a failed connect", "[h1]") {
  test::Loopback loopback;
  std::optional<test::Loopback> gone{std::in_place};
  const auto endpoint = gone->endpoint();
  gone.reset();
  Pool pool{loopback};
  pool.connection =
      std::make_unique<router::h1::ClientConnection>(loopback.loop(), endpoint, 1s, pool);

  loopback.run_until([&] { return pool.disconnected.has_value(); });

  CHECK(pool.disconnected == Errc::connect_failed);
  CHECK_FALSE(pool.was_connected);
}
