// SPDX-License-Identifier: Apache-2.0
// An exchange whose bodies go through a tunnel.
#include "router/exchange/exchange.hpp"
#include "tests/router/exchange/scripted_host.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace router {
namespace {

RequestHead request(std::string_view method) {
  RequestHead head;
  head.method = method;
  head.scheme = "http";
  head.authority = "cart.shop";
  head.path = "/chat";
  head.protocol = method == "GET" || method == "CONNECT" ? "websocket" : "";
  return head;
}

ReplyHead granted() {
  ReplyHead head;
  head.status = 101;
  head.protocol = "websocket";
  return head;
}

/// A tunnel that the endpoint has opened.
struct Tunnel {
  explicit Tunnel(const Policy& policy = {}, bool ends_with_its_head = false) : host{1, policy} {
    endpoint->connect();
    endpoint->stream->on_reply_head(granted(), ends_with_its_head);
  }
  /// The client says its last words, and its connection has nothing more to do.
  void end_client() {
    exchange->on_request_data(test::bytes_of("last words"));
    exchange->on_request_end();
    exchange->on_reply_sent();
  }
  std::string pull_reply(BodyState expected) {
    std::string text(1000, '\0');
    const Pulled pulled = exchange->pull_reply(std::as_writable_bytes(std::span{text}));
    CHECK(pulled.state == expected);
    text.resize(pulled.n_bytes);
    return text;
  }

  test::ScriptedHost host;
  test::ScriptedClient client;
  Exchange* exchange = &host.begin(client, request("GET"), false);
  test::ScriptedConnection* endpoint = host.connections.at(0);
};

}  // namespace

TEST_CASE("Exchange: bytes pass both ways through a tunnel, whose sides end by themselves",
          "[exchange][tunnel]") {
  Tunnel tunnel;
  tunnel.endpoint->stream->on_reply_data(test::bytes_of("pong"));
  tunnel.endpoint->stream->on_reply_end();
  CHECK(tunnel.pull_reply(BodyState::ended) == "pong");
  CHECK_FALSE(tunnel.host.is_over);

  tunnel.end_client();

  CHECK_FALSE(tunnel.host.is_over);
  CHECK(tunnel.endpoint->pull() == "last words");
  CHECK(tunnel.endpoint->request_state == BodyState::ended);
  std::exchange(tunnel.endpoint->stream, nullptr)->on_upstream_closed();
  CHECK(tunnel.host.is_over);
  CHECK(tunnel.host.service_metrics().streams_open.read() == 0);
  tunnel.host.end_turn();
}

TEST_CASE("Exchange: an endpoint that fails with the last bytes of a client that is done ends it",
          "[exchange][tunnel]") {
  Tunnel tunnel;
  tunnel.endpoint->stream->on_reply_end();
  tunnel.end_client();

  tunnel.endpoint->fail_stream({Errc::upstream_reset, Sent::maybe});

  CHECK(tunnel.host.is_over);
  CHECK_FALSE(tunnel.client.was_reset.has_value());
  tunnel.host.end_turn();
}

TEST_CASE("Exchange: a tunnel that one side has ended is idle as any other", "[exchange][tunnel]") {
  const bool ends_with_its_head = GENERATE(false, true);
  CAPTURE(ends_with_its_head);
  Policy policy;
  policy.idle_timeout = 20ms;
  Tunnel tunnel{policy, ends_with_its_head};

  tunnel.endpoint->stream->on_reply_end();
  tunnel.host.time().pass(30ms);

  CHECK(tunnel.client.was_reset == Reset::internal_error);
  CHECK(tunnel.endpoint->was_reset == Reset::cancel);
  CHECK(tunnel.host.is_over);
  tunnel.host.end_turn();
}

TEST_CASE("Exchange: an endpoint that does not take the end of a tunnel is not awaited for ever",
          "[exchange][tunnel]") {
  Tunnel tunnel;
  tunnel.endpoint->stream->on_reply_end();
  tunnel.end_client();

  tunnel.host.time().pass(Exchange::kTunnelGrace - 1s);
  CHECK_FALSE(tunnel.host.is_over);
  tunnel.host.time().pass(2s);

  CHECK(tunnel.host.is_over);
  CHECK(tunnel.endpoint->was_reset == Reset::cancel);
  CHECK(tunnel.host.metrics.hits(telemetry::Limit::write_stall) == 1);
  tunnel.host.end_turn();
}

TEST_CASE("Exchange: timeout.perTry holds for the answer to a request that asks for a tunnel",
          "[exchange][tunnel]") {
  Policy policy;
  policy.per_try_timeout = 20ms;
  test::ScriptedHost host{1, policy};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request("GET"), false);
  host.connections[0]->connect();

  host.time().pass(30ms);

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "response_timeout");
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: the deadline of a request ends where its tunnel begins",
          "[exchange][tunnel]") {
  Policy policy;
  policy.request_timeout = 1ms;
  Tunnel tunnel{policy};

  tunnel.host.time().pass(30ms);

  CHECK_FALSE(tunnel.client.was_reset.has_value());
  CHECK_FALSE(tunnel.host.is_over);
  tunnel.exchange->on_client_gone(Reset::cancel);
  tunnel.host.end_turn();
}

TEST_CASE("Exchange: CONNECT without a protocol is not served", "[exchange][tunnel]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead plain = request("CONNECT");
  plain.protocol = {};

  Exchange& exchange = host.begin(client, std::move(plain), false);

  REQUIRE(client.head.has_value());
  CHECK(client.head->status == 405);
  CHECK(host.connections.empty());
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: CONNECT for h2c, which is no tunnel, is not served", "[exchange][tunnel]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead h2c = request("CONNECT");
  h2c.protocol = "H2c";

  Exchange& exchange = host.begin(client, std::move(h2c), false);

  REQUIRE(client.head.has_value());
  CHECK(client.head->status == 405);
  CHECK(client.header("nodeway-error") == "method_not_allowed");
  CHECK(host.connections.empty());
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: CONNECT is not sent to an endpoint that takes no tunnels",
          "[exchange][tunnel]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request("CONNECT"), false);
  host.connections[0]->has_tunnels = false;

  host.connections[0]->connect();

  REQUIRE(client.head.has_value());
  CHECK(client.head->status == 405);
  CHECK(client.header("nodeway-error") == "method_not_allowed");
  CHECK(host.connections[0]->stream == nullptr);
  CHECK_FALSE(client.body_is_wanted);
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a body is wanted once an endpoint is connected, and not before",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request("POST"), false);
  CHECK_FALSE(client.body_is_wanted);

  host.connections[0]->connect();

  CHECK(client.body_is_wanted);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

}  // namespace router
