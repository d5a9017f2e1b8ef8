// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/exchange.hpp"

#include "tests/router/exchange/scripted_host.hpp"

#include <array>
#include <string>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace router {
namespace {

RequestHead request(bool is_grpc, std::string_view authority = "cart.shop") {
  RequestHead head;
  head.method = "POST";
  head.scheme = "http";
  head.authority = authority;
  head.path = "/shop.Cart/Add";
  head.is_grpc = is_grpc;
  return head;
}

ReplyHead reply(std::uint16_t status = 200) {
  ReplyHead head;
  head.status = status;
  return head;
}

HeaderList trailers(std::string_view grpc_status) {
  HeaderList fields;
  fields.add_copy("grpc-status", grpc_status);
  return fields;
}

std::string pull(Exchange& exchange, BodyState expected) {
  std::string text(1000, '\0');
  const Pulled pulled = exchange.pull_reply(std::as_writable_bytes(std::span{text}));
  CHECK(pulled.state == expected);
  text.resize(pulled.n_bytes);
  return text;
}

Policy patient_for(Nanoseconds queue_timeout) {
  Policy policy;
  policy.queue_timeout = queue_timeout;
  return policy;
}

constexpr AttemptFailure kRefused{Errc::stream_refused, Sent::no};
constexpr AttemptFailure kReset{Errc::upstream_reset, Sent::maybe};

}  // namespace

TEST_CASE("Exchange: the head of its request counts in the buffers, until it is over",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead large = request(false);
  large.n_bytes = 60'000;

  Exchange& exchange = host.begin(client, std::move(large), true);
  CHECK(host.loop().buffers().n_bytes() == 60'000);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();

  CHECK(host.loop().buffers().n_bytes() == 0);
}

TEST_CASE("Exchange: trailers count in the buffers while they wait for the other side",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  const std::int64_t one_set = static_cast<std::int64_t>(size_of(trailers("0")));
  Exchange& exchange = host.begin(client, request(true), false);
  exchange.on_request_trailers(trailers("0"));
  CHECK(host.loop().buffers().n_bytes() == one_set);

  host.connections[0]->connect();
  host.connections[0]->stream->on_reply_head(reply(), false);
  host.connections[0]->stream->on_reply_trailers(trailers("0"));
  CHECK(host.loop().buffers().n_bytes() == 2 * one_set);
  std::exchange(host.connections[0]->stream, nullptr)->on_upstream_closed();
  exchange.on_reply_sent();
  host.end_turn();

  CHECK(host.loop().buffers().n_bytes() == 0);
}

TEST_CASE("Exchange: head, body and trailers pass both ways", "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), false);
  REQUIRE(host.connections.size() == 1);
  test::ScriptedConnection& endpoint = *host.connections[0];
  endpoint.connect();
  REQUIRE(endpoint.stream != nullptr);

  exchange.on_request_data(test::bytes_of("ping"));
  exchange.on_request_trailers(trailers("0"));
  CHECK(endpoint.request_path == "/shop.Cart/Add");
  CHECK(endpoint.pull() == "ping");
  CHECK(endpoint.request_state == BodyState::trailers);
  endpoint.stream->on_reply_head(reply(), false);
  endpoint.stream->on_reply_data(test::bytes_of("pong"));
  endpoint.stream->on_reply_trailers(trailers("0"));

  REQUIRE(client.head.has_value());
  CHECK(client.head->status == 200);
  CHECK(pull(exchange, BodyState::trailers) == "pong");
  CHECK(exchange.reply_trailers().find("grpc-status") == "0");
  std::exchange(endpoint.stream, nullptr)->on_upstream_closed();
  exchange.on_reply_sent();
  CHECK(host.is_over);
  CHECK(host.service_metrics().streams_open.read() == 0);
  host.end_turn();
}

TEST_CASE("Exchange: a byte is credited to its sender when the other side has taken it, not before",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false), false);
  test::ScriptedConnection& endpoint = *host.connections[0];
  endpoint.connect();

  exchange.on_request_data(test::bytes_of("0123456789"));
  CHECK(client.credited == 0);
  CHECK(endpoint.pull(4) == "0123");
  CHECK(client.credited == 4);

  endpoint.stream->on_reply_head(reply(), false);
  endpoint.stream->on_reply_data(test::bytes_of("abc"));
  CHECK(endpoint.credited == 0);
  CHECK(pull(exchange, BodyState::open) == "abc");
  CHECK(endpoint.credited == 3);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: a refused stream goes to another endpoint with its whole body, unseen",
          "[exchange]") {
  test::ScriptedHost host{2};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), false);
  exchange.on_request_data(test::bytes_of("body"));
  exchange.on_request_end();
  host.connections[0]->connect();
  REQUIRE(host.connections[0]->pull() == "body");

  host.connections[0]->fail_stream(kRefused);

  REQUIRE(host.connections.size() == 2);
  CHECK(host.connections[1]->port != host.connections[0]->port);
  host.connections[1]->connect();
  CHECK(host.connections[1]->pull() == "body");
  CHECK(client.credited == 4);  // once, though it was sent twice
  CHECK_FALSE(client.head.has_value());
  CHECK(host.service_metrics().repicks.read() == 1);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: what an application may have seen is not sent again", "[exchange]") {
  test::ScriptedHost host{2};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->connect();

  host.connections[0]->fail_stream(kReset);

  CHECK(host.connections.size() == 1);
  REQUIRE(client.head.has_value());
  CHECK(client.is_head_whole);
  CHECK(client.header("grpc-status") == "14");
  CHECK(client.header("nodeway-error") == "upstream_reset");
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a body beyond what is kept cannot be repeated, not even when it was refused",
          "[exchange]") {
  test::ScriptedHost host{2};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false), false);
  host.connections[0]->connect();
  const std::string body(Body::kKeptBytes + 1, 'x');
  exchange.on_request_data(test::bytes_of(body));
  REQUIRE(host.connections[0]->pull().size() == body.size());

  host.connections[0]->fail_stream(kRefused);

  CHECK(host.connections.size() == 1);
  REQUIRE(client.head.has_value());
  CHECK(client.head->status == 503);
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: never asks the same endpoint twice, and says why the last one failed",
          "[exchange]") {
  test::ScriptedHost host{3, patient_for(0ms)};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);

  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(host.connections.size() == i + 1);
    host.connections[i]->fail_to_connect(Errc::connect_failed);
  }

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "connect_failed");
  CHECK(host.service_metrics().repicks.read() == 2);
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: an only pod whose connection takes no more is asked over another one",
          "[exchange]") {
  const bool is_named = GENERATE(false, true);
  CAPTURE(is_named);
  test::ScriptedHost host{1};
  host.add_pod({boost::asio::ip::make_address("10.0.0.9"), 8080});
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true, is_named ? "10.0.0.9" : "cart.shop"), true);
  host.connections[0]->connect();
  host.connections[0]->go_away();

  host.connections[0]->fail_stream({Errc::stream_refused, Sent::no, true});

  CHECK_FALSE(client.head.has_value());
  REQUIRE(host.connections.size() == 2);
  CHECK(host.connections[1]->port == host.connections[0]->port);
  host.connections[1]->connect();
  REQUIRE(host.connections[1]->stream != nullptr);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: whose connection takes no more is asked again after the others, and only it",
          "[exchange]") {
  test::ScriptedHost host{3};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->connect();
  host.connections[0]->fail_stream(kRefused);
  host.connections.at(1)->connect();
  host.connections.at(1)->fail_stream(kRefused);
  host.connections.at(2)->connect();
  host.connections.at(2)->go_away();

  host.connections[2]->fail_stream({Errc::stream_refused, Sent::no, true});

  REQUIRE(host.connections.size() == 4);
  CHECK(host.connections[3]->port == host.connections[2]->port);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: when every endpoint was tried, one that takes their place gets the request",
          "[exchange]") {
  const auto fail = GENERATE(false, true);
  CAPTURE(fail);
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), false);
  exchange.on_request_data(test::bytes_of("body"));
  if (fail) {
    host.connections[0]->fail_to_connect(Errc::connect_failed);
  } else {
    host.connections[0]->connect();
    host.connections[0]->go_away();
    host.connections[0]->fail_stream(kRefused);
  }
  CHECK_FALSE(client.head.has_value());

  host.replace_endpoints(2001);

  REQUIRE(host.connections.size() == 2);
  CHECK(host.connections[1]->port == 2001);
  host.connections[1]->connect();
  CHECK(host.connections[1]->pull() == "body");
  CHECK(host.service_metrics().repicks.read() == 1);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: nobody waits for other endpoints while one is there that takes no stream",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->connect();

  host.connections[0]->fail_stream(kRefused);

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "stream_refused");
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: the wait for other endpoints ends when one of the old proves to be there",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient refused;
  Exchange& first = host.begin(refused, request(true), true);
  host.connections[0]->connect();
  host.connections[0]->go_away();
  host.connections[0]->fail_stream(kRefused);
  REQUIRE_FALSE(refused.head.has_value());

  test::ScriptedClient next;
  Exchange& second = host.begin(next, request(true), true);
  host.connections[1]->connect();

  REQUIRE(refused.head.has_value());
  CHECK(refused.header("nodeway-error") == "stream_refused");
  CHECK(host.connections[1]->stream != nullptr);
  first.on_reply_sent();
  second.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: an endpoint that cannot be connected is told of, now and then", "[exchange]") {
  test::ScriptedHost host{1};
  std::vector<std::string> told;
  host.on_unreachable = [&told](const UnreachableEndpoint& endpoint) {
    told.push_back(endpoint.service + "." + endpoint.service_namespace + " " +
                   endpoint.address.to_string());
  };

  for (std::size_t i = 0; i < 3; ++i) {
    test::ScriptedClient client;
    Exchange& exchange = host.begin(client, request(true), true);
    host.connections[i]->fail_to_connect(Errc::connect_failed);
    exchange.on_client_gone(Reset::cancel);
    host.end_turn();
  }

  CHECK(told == std::vector<std::string>{"cart.shop 127.0.0.1"});
}

TEST_CASE("Exchange: the wait for other endpoints ends with the Service", "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->fail_to_connect(Errc::connect_failed);
  REQUIRE_FALSE(client.head.has_value());

  host.remove_service();

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "connect_failed");
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: other endpoints are waited for as long as the queue's timeout allows",
          "[exchange]") {
  test::ScriptedHost host{1, patient_for(20ms)};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->fail_to_connect(Errc::connect_failed);

  CHECK_FALSE(host.time().run_until([&] { return client.head.has_value(); }, 19ms));
  CHECK(host.time().run_until([&] { return client.head.has_value(); }, 10ms));

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "connect_failed");
  exchange.on_reply_sent();
  host.end_turn();

  SECTION("then the Service is down, and whoever calls is told at once") {
    test::ScriptedClient next;
    Exchange& second = host.begin(next, request(true), true);
    host.connections[1]->fail_to_connect(Errc::connect_failed);

    REQUIRE(next.head.has_value());
    CHECK(next.header("nodeway-error") == "connect_failed");
    second.on_reply_sent();
    host.end_turn();
  }
  SECTION("until there is another one") {
    host.replace_endpoints(2001);
    test::ScriptedClient next;
    Exchange& second = host.begin(next, request(true), true);
    host.connections[1]->fail_to_connect(Errc::connect_failed);

    CHECK_FALSE(next.head.has_value());
    second.on_client_gone(Reset::cancel);
    host.end_turn();
  }
}

TEST_CASE("Exchange: a client may leave while its request waits for other endpoints",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->fail_to_connect(Errc::connect_failed);

  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
  host.replace_endpoints(2001);

  CHECK(host.is_over);
  CHECK(host.connections.size() == 1);
}

TEST_CASE("Exchange: a request does not wait for a connection while another endpoint has one",
          "[exchange]") {
  test::ScriptedHost host{2};
  test::ScriptedClient warm;
  Exchange& before = host.begin(warm, request(true), true);
  host.connections[0]->connect();
  before.on_client_gone(Reset::cancel);
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  REQUIRE(host.connections.size() == 2);  // the other endpoint's turn, which does not answer

  const bool is_moved = host.time().run_until([&] { return host.connections[0]->n_opened == 2; });

  CHECK(is_moved);
  CHECK(host.service_metrics().repicks.read() == 1);
  CHECK_FALSE(client.head.has_value());
  host.connections[1]->connect();  // too late for this request, and ready for the next
  CHECK(host.connections[1]->n_opened == 0);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: a request that is crowded out as it begins to wait goes nowhere any more",
          "[exchange]") {
  Policy policy;
  policy.queue_requests = 1;
  test::ScriptedHost host{2, policy};
  std::array<test::ScriptedClient, 4> clients;
  std::vector<Exchange*> exchanges;
  for (test::ScriptedClient& client : clients) {  // each second one is for the other endpoint
    exchanges.push_back(&host.begin(client, request(true), true));
    if (!host.connections[0]->is_connected) {
      host.connections[0]->connect();
      exchanges.front()->on_client_gone(Reset::cancel);
    }
  }
  REQUIRE(clients[3].head.has_value());
  CHECK(clients[3].header("nodeway-error") == "overloaded");

  host.time().pass(3 * kConnectionPatience);

  CHECK_FALSE(clients[3].was_reset);
  exchanges[3]->on_reply_sent();
  exchanges[1]->on_client_gone(Reset::cancel);
  exchanges[2]->on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: where no other endpoint has a connection, a request waits for its own",
          "[exchange]") {
  test::ScriptedHost host{2};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.time().pass(3 * kConnectionPatience);
  CHECK(host.connections.size() == 1);

  host.connections[0]->connect();

  CHECK(host.connections[0]->n_opened == 1);
  CHECK(host.service_metrics().repicks.read() == 0);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: who waits for other endpoints has a place in the queue", "[exchange]") {
  Policy policy;
  policy.queue_requests = 1;
  test::ScriptedHost host{1, policy};
  test::ScriptedClient waiting;
  Exchange& first = host.begin(waiting, request(true), true);
  host.connections[0]->fail_to_connect(Errc::connect_failed);

  test::ScriptedClient refused;
  Exchange& second = host.begin(refused, request(true), true);

  REQUIRE(refused.head.has_value());
  CHECK(refused.header("nodeway-error") == "overloaded");
  CHECK_FALSE(waiting.head.has_value());
  second.on_reply_sent();
  first.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: gives up after five re-picks, and counts that", "[exchange]") {
  test::ScriptedHost host{10};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);

  // By index: each failure adds a connection.
  for (std::size_t i = 0; i < host.connections.size(); ++i) {  // NOLINT(modernize-loop-convert)
    host.connections[i]->fail_to_connect(Errc::connect_failed);
  }

  CHECK(host.connections.size() == 1 + kMaxRepicks);
  CHECK(host.metrics.hits(telemetry::Limit::repicks) == 1);
  REQUIRE(client.head.has_value());
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a pod that is named by its address is dialled, and no other one",
          "[exchange]") {
  test::ScriptedHost host{2};
  host.add_pod({boost::asio::ip::make_address("10.0.0.9"), 8080});
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false, "10.0.0.9"), true);

  REQUIRE(host.connections.size() == 1);
  CHECK(host.connections[0]->port == 8080);
  host.connections[0]->fail_to_connect(Errc::connect_failed);

  CHECK(host.connections.size() == 1);
  CHECK(client.header("nodeway-error") == "connect_failed");
  CHECK(host.service_metrics().requests.read() == 1);
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a pod can be named where no endpoint is selected", "[exchange]") {
  test::ScriptedHost host{0};
  host.add_pod({boost::asio::ip::make_address("10.0.0.9"), 8080});
  test::ScriptedClient client;

  Exchange& exchange = host.begin(client, request(false, "10.0.0.9:8080"), true);

  REQUIRE(host.connections.size() == 1);
  host.connections[0]->connect();
  host.connections[0]->stream->on_reply_head(reply(), true);
  std::exchange(host.connections[0]->stream, nullptr)->on_upstream_closed();
  CHECK(client.head->status == 200);
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a client that goes away resets the endpoint's stream", "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), false);
  host.connections[0]->connect();

  exchange.on_client_gone(Reset::cancel);

  CHECK(host.connections[0]->was_reset == Reset::cancel);
  CHECK(host.is_over);
  CHECK(host.service_metrics().streams_open.read() == 0);
  host.end_turn();
}

TEST_CASE("Exchange: a client that goes away while its request waits leaves no waiter behind",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);

  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
  host.connections[0]->connect();

  CHECK(host.connections[0]->stream == nullptr);
}

TEST_CASE("Exchange: after the head, gRPC gets trailers if no message is half sent", "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  host.connections[0]->connect();
  host.connections[0]->stream->on_reply_head(reply(), false);
  host.connections[0]->stream->on_reply_data(test::bytes_of(std::string_view{"\0\0\0\0\2hi", 7}));

  host.connections[0]->fail_stream(kReset);

  CHECK_FALSE(client.was_reset.has_value());
  CHECK(pull(exchange, BodyState::trailers).size() == 7);
  CHECK(exchange.reply_trailers().find("grpc-status") == "14");
  CHECK(exchange.reply_trailers().find("nodeway-error") == "upstream_reset");
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: after the head, gRPC-Web is reset, since its status is in the body",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead head = request(true);
  head.fields.add({"content-type", "application/grpc-web+proto"});
  host.begin(client, std::move(head), true);
  host.connections[0]->connect();
  host.connections[0]->stream->on_reply_head(reply(), false);
  host.connections[0]->stream->on_reply_data(test::bytes_of(std::string_view{"\0\0\0\0\2hi", 7}));

  host.connections[0]->fail_stream(kReset);

  CHECK(client.was_reset == Reset::internal_error);
  host.end_turn();
}

TEST_CASE("Exchange: a request without an authority is not sent to an endpoint of HTTP/2",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead head = request(false, "");
  head.fields.add({"l5d-dst-override", "cart.shop"});

  Exchange& exchange = host.begin(client, std::move(head), true);

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "bad_authority");
  CHECK(host.connections.empty());
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: after the head, half a gRPC message or plain HTTP ends in a reset",
          "[exchange]") {
  const bool is_grpc = GENERATE(true, false);
  CAPTURE(is_grpc);
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  host.begin(client, request(is_grpc), true);
  host.connections[0]->connect();
  host.connections[0]->stream->on_reply_head(reply(), false);
  host.connections[0]->stream->on_reply_data(test::bytes_of(std::string_view{"\0\0\0\0\2h", 6}));

  host.connections[0]->fail_stream(kReset);

  CHECK(client.was_reset == Reset::internal_error);
  CHECK(host.is_over);
  host.end_turn();
}

TEST_CASE("Exchange: after the head, gRPC to a client without trailers ends in a reset",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  client.has_trailers = false;
  host.begin(client, request(true), true);
  test::ScriptedConnection& endpoint = *host.connections[0];
  endpoint.connect();
  endpoint.stream->on_reply_head(reply(), false);

  endpoint.fail_stream(kReset);
  host.end_turn();

  CHECK(client.was_reset == Reset::internal_error);
  CHECK(host.is_over);
}

TEST_CASE("Exchange: a path that would be another authority's in HTTP/1.1 is refused",
          "[exchange][smuggling]") {
  const auto [method, path, is_sound] =
      GENERATE(table<std::string_view, std::string_view, bool>({{"GET", "/", true},
                                                                {"OPTIONS", "*", true},
                                                                {"GET", "*", false},
                                                                {"GET", "", false},
                                                                {"GET", "http://admin/x", false}}));
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead head = request(false);
  head.method = method;
  head.path = path;

  Exchange& exchange = host.begin(client, std::move(head), true);

  CAPTURE(method, path);
  CHECK(client.head.has_value() != is_sound);
  CHECK(host.connections.size() == (is_sound ? 1 : 0));
  if (client.head) {
    CHECK(client.header("nodeway-error") == "bad_request");
  }
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: a body that cannot be read counts as a bad request", "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false), false);

  exchange.on_client_gone(Reset::protocol_error);
  host.end_turn();

  CHECK(host.is_over);
  std::vector<std::uint8_t> reasons;
  host.service_metrics().each_response(
      [&](const telemetry::ResponseCell& cell) { reasons.push_back(cell.key.reason); });
  CHECK(reasons == std::vector<std::uint8_t>{static_cast<std::uint8_t>(Errc::bad_request)});
}

TEST_CASE("Exchange: what still comes of a request that was refused is credited and dropped",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false, "nowhere.shop"), false);
  REQUIRE(client.head.has_value());
  CHECK(client.head->status == 404);

  exchange.on_request_data(test::bytes_of("unwanted"));

  CHECK(client.credited == 8);
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a Service without endpoints is answered at once, as such", "[exchange]") {
  test::ScriptedHost host{0};
  test::ScriptedClient client;

  Exchange& exchange = host.begin(client, request(true), true);

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "no_endpoints");
  exchange.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: a full queue refuses at once", "[exchange]") {
  Policy policy;
  policy.queue_requests = 2;
  test::ScriptedHost host{1, policy};
  std::array<test::ScriptedClient, 2> waiting;
  Exchange& first = host.begin(waiting[0], request(true), true);
  Exchange& second = host.begin(waiting[1], request(true), true);
  test::ScriptedClient refused;

  Exchange& third = host.begin(refused, request(true), true);

  REQUIRE(refused.head.has_value());
  CHECK(refused.header("nodeway-error") == "overloaded");
  CHECK(host.metrics.hits(telemetry::Limit::queue_requests) == 1);
  CHECK_FALSE(waiting[0].head.has_value());
  third.on_reply_sent();
  first.on_client_gone(Reset::cancel);
  second.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: what waited for room says so if there are no endpoints any more",
          "[exchange]") {
  Policy policy;
  policy.concurrency_limit = 1;
  test::ScriptedHost host{1, policy};
  test::ScriptedClient busy;
  Exchange& first = host.begin(busy, request(true), true);
  host.connections[0]->connect();
  test::ScriptedClient waiting;
  Exchange& second = host.begin(waiting, request(true), true);
  REQUIRE_FALSE(waiting.head.has_value());

  host.cluster().adopt(nullptr);
  first.on_client_gone(Reset::cancel);
  host.end_turn();

  REQUIRE(waiting.head.has_value());
  CHECK(waiting.header("nodeway-error") == "no_endpoints");
  second.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: what waited for room is refused if too little time is left for a reply",
          "[exchange]") {
  Policy policy;
  policy.concurrency_limit = 1;
  test::ScriptedHost host{1, policy};
  for (std::uint32_t i = 0; i < balancer::LatencyQuantile::kMinSamples; ++i) {
    host.cluster().retry_timing().on_reply(10s);
  }
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(true), true);
  RequestHead hasty = request(true);
  hasty.fields.add({"grpc-timeout", "5S"});
  RequestHead patient = request(true);
  patient.fields.add({"grpc-timeout", "50S"});

  test::ScriptedClient refused;
  Exchange& second = host.begin(refused, std::move(hasty), true);
  test::ScriptedClient waiting;
  Exchange& third = host.begin(waiting, std::move(patient), true);

  REQUIRE(refused.head.has_value());
  CHECK(refused.header("nodeway-error") == "overloaded");
  CHECK(host.metrics.hits(telemetry::Limit::queue_deadline) == 1);
  CHECK_FALSE(waiting.head.has_value());
  for (Exchange* const each : {&exchange, &third}) {
    each->on_client_gone(Reset::cancel);
  }
  second.on_reply_sent();
  host.end_turn();
}

TEST_CASE("Exchange: what a caller takes to send its request is not the endpoint's time",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false), false);
  test::ScriptedConnection& endpoint = *host.connections[0];
  endpoint.connect();
  host.time().pass(50ms);

  exchange.on_request_data(test::bytes_of("late"));
  exchange.on_request_end();
  REQUIRE(endpoint.pull() == "late");
  endpoint.stream->on_reply_head(reply(), true);
  endpoint.stream->on_reply_end();
  std::exchange(endpoint.stream, nullptr)->on_upstream_closed();
  exchange.on_reply_sent();
  host.end_turn();

  std::vector<EndpointView> views;
  host.cluster().describe(views);
  REQUIRE(views.at(0).latency.has_value());
  CHECK(*views.at(0).latency < 40ms);
}

TEST_CASE("Exchange: a call that its caller cancels at its deadline speaks against a silent pod",
          "[exchange]") {
  const bool is_late = GENERATE(false, true);
  CAPTURE(is_late);
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead head = request(true);
  head.fields.add({"grpc-timeout", is_late ? "400m" : "400S"});
  Exchange& exchange = host.begin(client, std::move(head), true);
  host.connections[0]->connect();
  host.time().pass(is_late ? 385ms : 1ms);

  exchange.on_client_gone(Reset::cancel);
  host.end_turn();

  std::vector<EndpointView> views;
  host.cluster().describe(views);
  CHECK(views.at(0).failures == (is_late ? 1 : 0));
}

TEST_CASE("Exchange: a gRPC reply that ends without a status is UNKNOWN, as its client sees it",
          "[exchange]") {
  const bool is_web = GENERATE(false, true);
  CAPTURE(is_web);
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead head = request(true);
  head.fields.add({"content-type", is_web ? "application/grpc-web" : "application/grpc"});
  Exchange& exchange = host.begin(client, std::move(head), true);
  test::ScriptedConnection& endpoint = *host.connections[0];
  endpoint.connect();

  endpoint.stream->on_reply_head(reply(), true);
  endpoint.stream->on_reply_end();
  std::exchange(endpoint.stream, nullptr)->on_upstream_closed();
  exchange.on_reply_sent();
  host.end_turn();

  std::vector<bool> successes;
  host.service_metrics().each_response(
      [&](const telemetry::ResponseCell& cell) { successes.push_back(cell.key.success); });
  CHECK(successes == std::vector{is_web});
}

TEST_CASE("Exchange: the deadline that the endpoint sees is what is left of the caller's",
          "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  RequestHead head = request(true);
  head.fields.add({"grpc-timeout", "5S"});
  Exchange& exchange = host.begin(client, std::move(head), true);
  host.time().pass(7ms);

  host.connections[0]->connect();

  CHECK(host.connections[0]->request_timeout == "4993000u");
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: informational heads pass, and the final one after them", "[exchange]") {
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, request(false), true);
  host.connections[0]->connect();

  host.connections[0]->stream->on_informational(reply(103));
  host.connections[0]->stream->on_reply_head(reply(204), true);

  CHECK(client.informational == std::vector<int>{103});
  CHECK(client.head->status == 204);
  CHECK(client.is_head_whole);
  exchange.on_reply_sent();
  host.end_turn();
}

namespace {

const auto kPeer = boost::asio::ip::make_address("10.0.0.7");

Callers with_pod(std::string ns) {
  Callers callers;
  callers.pods.emplace(
      kPeer, boost::make_shared<CallerPod>(CallerPod{std::move(ns), "web-0", "default", ""}));
  return callers;
}

/// A pod of the node has begun to run, and its address is not known.
Callers awaiting() {
  Callers callers;
  callers.awaits_addresses = true;
  return callers;
}

}  // namespace

TEST_CASE("Exchange: a short name means the caller's namespace", "[exchange][callers]") {
  const bool is_home = GENERATE(true, false);
  test::ScriptedHost host{1};
  host.adopt(with_pod(is_home ? "shop" : "ml"));
  test::ScriptedClient client;
  client.address = kPeer;

  Exchange& exchange = host.begin(client, request(true, "cart"), true);

  CHECK(host.connections.size() == (is_home ? 1 : 0));
  CHECK(client.head.has_value() == !is_home);
  if (!is_home) {
    CHECK(client.header("nodeway-error") == "unknown_service");
    CHECK(client.header("grpc-message").find("\"ml\"") != std::string::npos);
  }
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: a stranger is denied, with its address", "[exchange][callers]") {
  const bool is_grpc = GENERATE(true, false);
  test::ScriptedHost host{1};
  test::ScriptedClient client;
  client.address = kPeer;

  Exchange& exchange = host.begin(client, request(is_grpc), true);

  REQUIRE(client.head.has_value());
  CHECK(client.header("nodeway-error") == "denied");
  CHECK(client.head->status == (is_grpc ? 200 : 403));
  CHECK(client.header("grpc-status") == (is_grpc ? "7" : ""));
  CHECK(host.connections.empty());
  exchange.on_reply_sent();
  CHECK(host.is_over);
  host.end_turn();
}

TEST_CASE("Exchange: a request waits until its caller's pod is known", "[exchange][callers]") {
  test::ScriptedHost host{1};
  host.adopt(awaiting());
  test::ScriptedClient client;
  client.address = kPeer;
  Exchange& exchange = host.begin(client, request(true, "cart"), false);
  exchange.on_request_data(test::bytes_of("body"));
  REQUIRE(host.waiting == &exchange);
  CHECK_FALSE(client.head.has_value());

  host.adopt(awaiting());  // a change that says nothing of it
  CHECK(host.waiting == &exchange);
  CHECK(host.connections.empty());
  host.adopt(with_pod("shop"));

  REQUIRE(host.connections.size() == 1);
  host.connections[0]->connect();
  CHECK(host.connections[0]->pull() == "body");
  CHECK(host.service_metrics().requests.read() == 1);
  exchange.on_client_gone(Reset::cancel);
  CHECK(host.service_metrics().streams_open.read() == 0);
  host.end_turn();
}

TEST_CASE("Exchange: a client may leave while its request waits for its pod to be known",
          "[exchange][callers]") {
  test::ScriptedHost host{1};
  host.adopt(awaiting());
  test::ScriptedClient client;
  client.address = kPeer;
  Exchange& exchange = host.begin(client, request(true), true);
  REQUIRE(host.waiting == &exchange);

  exchange.on_client_gone(Reset::cancel);

  CHECK(host.is_over);
  CHECK(host.unresolved_metrics().requests.read() == 1);
  CHECK(host.unresolved_metrics().streams_open.read() == 0);
  host.end_turn();
}

TEST_CASE("Exchange: a pod that only a saved view knows is believed if there is no other word",
          "[exchange][callers]") {
  test::ScriptedHost host{1};
  Callers saved = with_pod("shop");
  saved.awaits_list = true;
  host.adopt(std::move(saved));
  test::ScriptedClient client;
  client.address = kPeer;
  Exchange& exchange = host.begin(client, request(true, "cart"), true);
  REQUIRE(host.waiting == &exchange);  // the namespace is the pod's, which may be another one

  SECTION("its list has come, and the address is another pod's") {
    host.adopt(with_pod("ml"));

    REQUIRE(client.head.has_value());
    CHECK(client.header("nodeway-error") == "unknown_service");
    CHECK(client.header("grpc-message").find("\"ml\"") != std::string::npos);
    CHECK(host.connections.empty());
  }
  SECTION("its list is not awaited any longer") {
    host.adopt(with_pod("shop"));

    CHECK_FALSE(client.head.has_value());
    CHECK(host.connections.size() == 1);
  }
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: a full name of a pod that a saved view knows does not wait",
          "[exchange][callers]") {
  test::ScriptedHost host{1};
  Callers saved = with_pod("ml");
  saved.awaits_list = true;
  host.adopt(std::move(saved));
  test::ScriptedClient client;
  client.address = kPeer;

  Exchange& exchange = host.begin(client, request(true, "cart.shop"), true);

  CHECK(host.waiting == nullptr);
  CHECK(host.connections.size() == 1);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Exchange: who may call and names the namespace does not wait", "[exchange][callers]") {
  test::ScriptedHost host{1};
  Callers callers = awaiting();
  callers.allowed.ranges = {{.base = kPeer, .prefix_bits = 32}};
  host.adopt(std::move(callers));
  test::ScriptedClient client;
  client.address = kPeer;

  Exchange& exchange = host.begin(client, request(true, "cart.shop"), true);

  CHECK(host.waiting == nullptr);
  CHECK(host.connections.size() == 1);
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

}  // namespace router
