// SPDX-License-Identifier: Apache-2.0
// What is sent again that may have reached an application: retries and hedges.
#include "router/exchange/exchange.hpp"
#include "tests/router/exchange/scripted_host.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace router {
namespace {

constexpr AttemptFailure kReset{Errc::upstream_reset, Sent::maybe};
constexpr AttemptFailure kRefused{Errc::stream_refused, Sent::no};

Policy idempotent() {
  Policy policy;
  policy.retries.idempotent = true;
  return policy;
}

Policy hedging_after(Nanoseconds delay) {
  Policy policy = idempotent();
  policy.retries.hedging = Hedging::fixed;
  policy.retries.hedging_delay = delay;
  return policy;
}

RequestHead grpc_call() {
  RequestHead head;
  head.method = "POST";
  head.scheme = "http";
  head.authority = "cart.shop";
  head.path = "/shop.Cart/Add";
  head.is_grpc = true;
  return head;
}

RequestHead plain(std::string_view method) {
  RequestHead head = grpc_call();
  head.method = method;
  head.is_grpc = false;
  return head;
}

ReplyHead reply(std::uint16_t status = 200) {
  ReplyHead head;
  head.status = status;
  return head;
}

HeaderList fields(std::string_view name, std::string_view value) {
  HeaderList list;
  list.add_copy(name, value);
  return list;
}

/// A reply that is only its head.
ReplyHead trailers_only(std::string_view grpc_status) {
  ReplyHead head = reply();
  head.fields = fields("grpc-status", grpc_status);
  return head;
}

ReplyHead asking_for_pause(std::string_view seconds) {
  ReplyHead head = reply(503);
  head.fields = fields("retry-after", seconds);
  return head;
}

/// One request, its client, and as many endpoints as the test wants.
class Call {
 public:
  explicit Call(std::size_t n_endpoints, const Policy& policy, RequestHead head = grpc_call())
      : host_{n_endpoints, policy}, exchange_{host_.begin(client, std::move(head), false)} {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (!host_.is_over) {
      exchange_.on_client_gone(Reset::cancel);
    }
    CHECK(host_.is_over);
    CHECK(host_.service_metrics().streams_open.read() == 0);
    host_.end_turn();
    CHECK(host_.cluster().queue().n_requests() == 0);
    for (std::size_t i = 0; i < host_.connections.size(); ++i) {
      if (std::find(refused_.begin(), refused_.end(), i) == refused_.end()) {
        CHECK(host_.connections[i]->stream == nullptr);  // none outlives its exchange
      }
    }
  }

  /// The i-th connection that was asked for, connected.
  test::ScriptedConnection& endpoint(std::size_t i) {
    REQUIRE(host_.time().run_until([&] { return host_.connections.size() > i; }));
    test::ScriptedConnection& connection = *host_.connections[i];
    if (!connection.is_connected) {
      connection.connect();
    }
    return connection;
  }
  void refuse_connection(std::size_t i) {
    REQUIRE(host_.time().run_until([&] { return host_.connections.size() > i; }));
    host_.connections[i]->fail_to_connect(Errc::connect_failed);
    refused_.push_back(i);
  }
  void send(std::string_view body) { exchange_.on_request_data(test::bytes_of(body)); }
  void send_end() { exchange_.on_request_end(); }
  void pass_turn() { host_.end_turn(); }
  void pass(std::chrono::milliseconds time) { host_.time().pass(time); }
  [[nodiscard]] bool wait_for_head() {
    return host_.time().run_until([this] { return client.head.has_value(); });
  }
  [[nodiscard]] std::size_t n_asked() const { return host_.connections.size(); }
  [[nodiscard]] std::uint64_t refused(telemetry::RetryRefusal why) {
    return metrics().retries_refused[static_cast<std::size_t>(why)].read();
  }
  [[nodiscard]] telemetry::ServiceMetrics& metrics() { return host_.service_metrics(); }
  [[nodiscard]] Exchange& exchange() { return exchange_; }

  test::ScriptedClient client;

 private:
  test::ScriptedHost host_;
  Exchange& exchange_;
  std::vector<std::size_t> refused_;  ///< connections that are gone
};

}  // namespace

TEST_CASE("Retry: after a reset, a call that may be repeated goes to another pod, whole and unseen",
          "[exchange][retry]") {
  Call call{2, idempotent()};
  call.send("body");
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  REQUIRE(first.pull() == "body");
  CHECK(first.previous_attempts.empty());

  first.fail_stream(kReset);

  test::ScriptedConnection& second = call.endpoint(1);
  CHECK(second.port != first.port);
  CHECK(second.pull() == "body");
  CHECK(second.previous_attempts == "1");
  CHECK(call.client.credited == 4);  // once, though it was sent twice
  CHECK_FALSE(call.client.head.has_value());
  CHECK(call.metrics().retries.read() == 1);
  CHECK(call.metrics().repicks.read() == 0);
  second.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE("Retry: what a client has tried itself before counts in what the pod is told",
          "[exchange][retry]") {
  RequestHead head = grpc_call();
  head.fields.add({"grpc-previous-rpc-attempts", "2"});
  Call call{2, idempotent(), std::move(head)};
  call.send_end();
  REQUIRE(call.endpoint(0).previous_attempts == "2");

  call.endpoint(0).fail_stream(kReset);

  CHECK(call.endpoint(1).previous_attempts == "3");
}

TEST_CASE("Retry: by default only methods that HTTP calls idempotent are repeated",
          "[exchange][retry]") {
  const auto [method, is_repeated] = GENERATE(table<std::string_view, bool>({{"GET", true},
                                                                             {"HEAD", true},
                                                                             {"OPTIONS", true},
                                                                             {"PUT", true},
                                                                             {"DELETE", true},
                                                                             {"POST", false},
                                                                             {"PATCH", false}}));
  CAPTURE(method);
  Call call{2, Policy{}, plain(method)};
  call.send_end();
  call.endpoint(0).stream->on_reply_head(reply(503), false);

  if (is_repeated) {
    CHECK(call.endpoint(0).was_reset == Reset::cancel);
    call.endpoint(1).stream->on_reply_head(reply(200), true);
    CHECK(call.client.head->status == 200);
  } else {
    CHECK(call.client.head->status == 503);
    CHECK(call.n_asked() == 1);
  }
}

TEST_CASE("Retry: the replies that are repeated are those of the conditions", "[exchange][retry]") {
  const auto [status, is_repeated] = GENERATE(table<std::uint16_t, bool>(
      {{502, true}, {503, true}, {504, true}, {500, false}, {429, false}}));
  CAPTURE(status);
  Call call{2, Policy{}, plain("GET")};
  call.send_end();
  call.endpoint(0).stream->on_reply_head(reply(status), true);

  CHECK(call.client.head.has_value() != is_repeated);
}

TEST_CASE("Retry: UNAVAILABLE alone in a head is not seen, INVALID_ARGUMENT is",
          "[exchange][retry]") {
  const auto [status, is_repeated] =
      GENERATE(table<std::string_view, bool>({{"14", true}, {"3", false}, {"0", false}}));
  CAPTURE(status);
  Call call{2, idempotent()};
  call.send_end();

  call.endpoint(0).stream->on_reply_head(trailers_only(status), true);

  CHECK(call.client.head.has_value() != is_repeated);
  if (is_repeated) {
    call.endpoint(1).stream->on_reply_head(trailers_only("0"), true);
    CHECK(call.client.header("grpc-status") == "0");
  }
}

TEST_CASE("Retry: UNAVAILABLE in trailers that come right behind the head is not seen",
          "[exchange][retry]") {
  Call call{2, idempotent()};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  first.stream->on_reply_head(reply(), false);
  CHECK_FALSE(call.client.head.has_value());

  first.stream->on_reply_trailers(fields("grpc-status", "14"));

  CHECK_FALSE(call.client.head.has_value());
  test::ScriptedConnection& second = call.endpoint(1);
  second.stream->on_reply_head(reply(), false);
  second.stream->on_reply_data(test::bytes_of("pong"));
  CHECK(call.client.head.has_value());
}

TEST_CASE("Retry: UNAVAILABLE in trailers passes once a byte of the reply has",
          "[exchange][retry]") {
  Call call{2, idempotent()};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  first.stream->on_reply_head(reply(), false);
  first.stream->on_reply_data(test::bytes_of("pong"));
  REQUIRE(call.client.head.has_value());

  first.stream->on_reply_trailers(fields("grpc-status", "14"));

  CHECK(call.exchange().reply_trailers().find("grpc-status") == "14");
  CHECK(call.n_asked() == 1);
}

TEST_CASE("Retry: the head of a stream that says nothing yet is there when the turn ends",
          "[exchange][retry]") {
  Call call{2, idempotent()};
  call.endpoint(0).stream->on_reply_head(reply(), false);

  call.pass_turn();

  CHECK(call.client.head.has_value());
}

TEST_CASE("Retry: a reset right behind the head, unseen, is one before it", "[exchange][retry]") {
  Call call{2, idempotent()};
  call.send_end();
  call.endpoint(0).stream->on_reply_head(reply(), false);

  call.endpoint(0).fail_stream(kReset);

  CHECK_FALSE(call.client.head.has_value());
  CHECK(call.endpoint(1).stream != nullptr);
}

TEST_CASE("Retry: the last try's reply passes as it is, and the limit is counted",
          "[exchange][retry]") {
  Call call{3, idempotent()};
  call.send_end();
  call.endpoint(0).stream->on_reply_head(trailers_only("14"), true);

  call.endpoint(1).stream->on_reply_head(trailers_only("14"), true);

  REQUIRE(call.client.head.has_value());
  CHECK(call.client.header("grpc-status") == "14");
  CHECK(call.client.header("nodeway-error").empty());  // it is the pod's
  CHECK(call.refused(telemetry::RetryRefusal::limit) == 1);
}

TEST_CASE("Retry: a second retry, where two are allowed, goes to a third pod",
          "[exchange][retry]") {
  Policy policy = idempotent();
  policy.retries.limit = 2;
  Call call{3, policy};
  call.send_end();
  call.endpoint(0).fail_stream(kReset);
  call.endpoint(1).fail_stream(kReset);

  CHECK(call.endpoint(2).previous_attempts == "2");
  CHECK(call.endpoint(2).port != call.endpoint(1).port);
}

TEST_CASE("Retry: re-picks are not counted as retries", "[exchange][retry]") {
  Call call{3, idempotent()};
  call.send_end();
  call.endpoint(0).fail_stream(kReset);

  call.endpoint(1).fail_stream(kRefused);

  CHECK(call.endpoint(2).stream != nullptr);
  CHECK(call.metrics().retries.read() == 1);
  CHECK(call.metrics().repicks.read() == 1);
}

TEST_CASE("Retry: a lone pod is asked again", "[exchange][retry]") {
  Call call{1, idempotent()};
  call.send_end();
  test::ScriptedConnection& only = call.endpoint(0);
  only.fail_stream(kReset);

  call.pass(60ms);

  CHECK(only.stream != nullptr);
  CHECK(only.previous_attempts == "1");
}

TEST_CASE("Retry: waits for room at another pod rather than return to the one that failed",
          "[exchange][retry]") {
  Policy policy = idempotent();
  policy.endpoint_limit = 1;
  test::ScriptedHost host{2, policy};
  std::array<test::ScriptedClient, 2> clients;
  Exchange& first = host.begin(clients[0], grpc_call(), true);
  Exchange& second = host.begin(clients[1], grpc_call(), true);
  test::ScriptedConnection& failing = *host.connections[0];
  test::ScriptedConnection& busy = *host.connections[1];
  failing.connect();
  busy.connect();

  failing.fail_stream(kReset);
  host.time().pass(60ms);  // the retry's pause is 25 ms at most

  CHECK(failing.stream == nullptr);
  second.on_client_gone(Reset::cancel);
  CHECK(host.time().run_until([&] { return busy.n_opened == 2; }));
  CHECK(busy.previous_attempts == "1");
  first.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Retry: without budget there is none", "[exchange][retry]") {
  Policy policy = idempotent();
  policy.retries.budget = {.ratio = 0, .min_per_second = 0};
  Call call{2, policy};
  call.send_end();

  call.endpoint(0).fail_stream(kReset);

  CHECK(call.client.header("nodeway-error") == "upstream_reset");
  CHECK(call.refused(telemetry::RetryRefusal::budget) == 1);
}

TEST_CASE("Retry: a body beyond what is kept is not repeated, and never stalled",
          "[exchange][retry]") {
  Call call{2, idempotent()};
  test::ScriptedConnection& first = call.endpoint(0);
  const std::string body(Body::kKeptBytes, 'x');
  call.send(body);
  REQUIRE(first.pull().size() == body.size());
  call.send("y");
  REQUIRE(first.pull() == "y");
  REQUIRE(call.client.credited == body.size() + 1);

  first.fail_stream(kReset);

  CHECK(call.client.header("nodeway-error") == "upstream_reset");
  CHECK(call.refused(telemetry::RetryRefusal::body) == 1);
}

TEST_CASE("Retry: a body of exactly what is kept is repeated byte for byte", "[exchange][retry]") {
  Call call{2, idempotent()};
  std::string body;
  for (std::size_t i = 0; i < Body::kKeptBytes; ++i) {
    body.push_back(static_cast<char>('a' + i % 23));
  }
  call.send(body);
  call.send_end();
  REQUIRE(call.endpoint(0).pull(1000) == body.substr(0, 1000));
  REQUIRE(call.endpoint(0).pull() == body.substr(1000));

  call.endpoint(0).fail_stream(kReset);

  CHECK(call.endpoint(1).pull() == body);
  CHECK(call.endpoint(1).request_state == BodyState::ended);
}

TEST_CASE("Retry: what the endpoint says of a retry is obeyed", "[exchange][retry]") {
  Call call{2, idempotent()};
  call.send_end();
  ReplyHead head = trailers_only("14");
  const auto pushback = GENERATE("-1", "no", "11000", "0");
  CAPTURE(pushback);
  head.fields.add_copy("grpc-retry-pushback-ms", pushback);

  call.endpoint(0).stream->on_reply_head(std::move(head), true);

  const bool is_repeated = std::string_view{pushback} == "0";
  CHECK(call.client.head.has_value() != is_repeated);
  CHECK(call.refused(telemetry::RetryRefusal::pushback) == (is_repeated ? 0 : 1));
}

TEST_CASE("Retry: none whose turn would come after the deadline", "[exchange][retry]") {
  RequestHead request = grpc_call();
  request.fields.add({"grpc-timeout", "2S"});
  Call call{2, idempotent(), std::move(request)};
  call.send_end();
  ReplyHead head = trailers_only("14");
  head.fields.add_copy("grpc-retry-pushback-ms", "3000");

  call.endpoint(0).stream->on_reply_head(std::move(head), true);

  CHECK(call.client.header("grpc-status") == "14");
  CHECK(call.refused(telemetry::RetryRefusal::deadline) == 1);
}

TEST_CASE("Retry: a pod that asks for a pause gets no retry before its end", "[exchange][retry]") {
  Call call{1, Policy{}, plain("GET")};
  call.send_end();
  test::ScriptedConnection& only = call.endpoint(0);
  only.stream->on_reply_head(asking_for_pause("1"), true);

  call.pass(100ms);  // longer than without the pause

  CHECK(only.stream == nullptr);
  call.pass(1100ms);
  CHECK(only.stream != nullptr);
  CHECK_FALSE(call.client.head.has_value());
}

TEST_CASE("Retry: a pause that one pod asks for is none of another's", "[exchange][retry]") {
  Call call{2, Policy{}, plain("GET")};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  first.stream->on_reply_head(asking_for_pause("600"), true);

  test::ScriptedConnection& second = call.endpoint(1);

  CHECK(second.port != first.port);
  CHECK(second.stream != nullptr);
}

TEST_CASE("Retry: none after a pause that is longer than anything waits, or than the time left",
          "[exchange][retry]") {
  Policy policy;
  const auto [pause, refusal] = GENERATE(table<std::string_view, telemetry::RetryRefusal>(
      {{"4", telemetry::RetryRefusal::pushback}, {"2", telemetry::RetryRefusal::deadline}}));
  const bool has_deadline = GENERATE(false, true);
  CAPTURE(pause, has_deadline);
  (has_deadline ? policy.request_timeout : policy.response_start_timeout) = 1s;
  Call call{1, policy, plain("GET")};
  call.send_end();

  call.endpoint(0).stream->on_reply_head(asking_for_pause(pause), true);

  CHECK(call.client.head->status == 503);
  CHECK(call.client.header("retry-after") == pause);
  CHECK(call.refused(refusal) == 1);
  CHECK(call.metrics().retries.read() == 0);
}

TEST_CASE("Retry: a pod that is silent for timeout.perTry loses the call to another",
          "[exchange][retry]") {
  Policy policy = idempotent();
  policy.per_try_timeout = 20ms;
  Call call{2, policy};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);

  test::ScriptedConnection& second = call.endpoint(1);

  CHECK(first.was_reset == Reset::cancel);
  second.stream->on_reply_head(reply(), false);
  second.stream->on_reply_data(test::bytes_of("pong"));
  call.pass(40ms);
  CHECK(second.stream != nullptr);  // it is of the head, not of what follows
}

TEST_CASE("Retry: where none is left, timeout.perTry ends the call", "[exchange][retry]") {
  Policy policy;
  policy.per_try_timeout = 10ms;
  Call call{2, policy, plain("POST")};
  call.send_end();
  test::ScriptedConnection& only = call.endpoint(0);

  REQUIRE(call.wait_for_head());

  CHECK(call.client.head->status == 504);
  CHECK(call.client.header("nodeway-error") == "response_timeout");
  CHECK(only.was_reset == Reset::cancel);
}

TEST_CASE("Timeouts: a reply must have begun within timeout.responseStart, over all attempts",
          "[exchange]") {
  Policy policy;
  policy.response_start_timeout = 20ms;
  Call call{1, policy};
  call.send_end();

  SECTION("it has not") {
    CHECK(call.endpoint(0).stream != nullptr);
    REQUIRE(call.wait_for_head());
    CHECK(call.client.header("grpc-status") == "4");
    CHECK(call.client.header("nodeway-error") == "response_timeout");
  }
  SECTION("it has: what follows may take its time") {
    call.endpoint(0).stream->on_reply_head(reply(), false);
    call.pass(50ms);
    CHECK(call.endpoint(0).stream != nullptr);
    CHECK_FALSE(call.client.was_reset);
  }
}

TEST_CASE("Timeouts: a stream in which nothing passes ends after timeout.idle", "[exchange]") {
  Policy policy;
  policy.idle_timeout = 40ms;
  Call call{1, policy};
  test::ScriptedConnection& endpoint = call.endpoint(0);
  endpoint.stream->on_reply_head(reply(), false);

  for (int i = 0; i < 8; ++i) {  // 160 ms, in both directions
    call.pass(10ms);
    call.send("ping");
    call.pass(10ms);
    endpoint.stream->on_reply_data(test::bytes_of(std::string(5, '\0')));
  }
  REQUIRE(endpoint.stream != nullptr);

  call.pass(80ms);

  CHECK(endpoint.was_reset == Reset::cancel);
  CHECK(call.exchange().reply_trailers().find("nodeway-error") == "response_timeout");
}

TEST_CASE("Hedge: after the delay a second pod is asked, and the first reply wins",
          "[exchange][hedge]") {
  Call call{3, hedging_after(5ms)};
  call.send("bo");
  test::ScriptedConnection& first = call.endpoint(0);
  REQUIRE(first.pull() == "bo");
  test::ScriptedConnection& second = call.endpoint(1);
  CHECK(second.port != first.port);
  CHECK(second.previous_attempts == "1");
  CHECK(second.pull() == "bo");
  call.send("dy");
  call.send_end();
  CHECK(first.pull() == "dy");
  CHECK(second.pull() == "dy");
  CHECK(call.client.credited == 4);
  CHECK(call.metrics().hedges.read() == 1);
  const bool second_wins = GENERATE(false, true);
  CAPTURE(second_wins);
  test::ScriptedConnection& winner = second_wins ? second : first;
  test::ScriptedConnection& loser = second_wins ? first : second;

  winner.stream->on_reply_head(reply(), false);
  winner.stream->on_reply_data(test::bytes_of("pong"));

  CHECK(loser.was_reset == Reset::cancel);
  CHECK_FALSE(winner.was_reset.has_value());
  std::array<std::byte, 16> into;
  CHECK(call.exchange().pull_reply(into).n_bytes == 4);
  CHECK(winner.credited == 4);
  CHECK(loser.credited == 0);
  call.pass(20ms);
  CHECK(call.n_asked() == 2);
}

TEST_CASE("Hedge: also while the first pod has not even been connected", "[exchange][hedge]") {
  Call call{2, hedging_after(5ms)};
  call.send_end();

  test::ScriptedConnection& second = call.endpoint(1);

  REQUIRE(second.stream != nullptr);
  CHECK(call.metrics().hedges.read() == 1);
  second.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.head.has_value());
}

TEST_CASE("Hedge: p95 asks a second pod once the first has taken longer than 95 of 100",
          "[exchange][hedge]") {
  Policy policy = idempotent();
  policy.retries.hedging = Hedging::p95;
  test::ScriptedHost host{2, policy};
  const bool is_known = GENERATE(false, true);
  CAPTURE(is_known);
  for (std::uint32_t i = 0; is_known && i < balancer::LatencyQuantile::kMinSamples; ++i) {
    host.cluster().retry_timing().on_reply(5ms);
  }
  test::ScriptedClient client;
  Exchange& exchange = host.begin(client, grpc_call(), true);
  host.connections[0]->connect();

  host.time().pass(4ms);
  CHECK(host.connections.size() == 1);
  host.time().pass(46ms);

  CHECK((host.connections.size() == 2) == is_known);
  CHECK(host.service_metrics().hedges.read() == (is_known ? 1 : 0));
  exchange.on_client_gone(Reset::cancel);
  host.end_turn();
}

TEST_CASE("Hedge: none for what may not be repeated", "[exchange][hedge]") {
  Policy policy = hedging_after(5ms);
  policy.retries.idempotent = false;
  Call call{2, policy};
  call.send_end();
  CHECK(call.endpoint(0).stream != nullptr);

  call.pass(30ms);

  CHECK(call.n_asked() == 1);
}

TEST_CASE("Hedge: none where there is no other pod", "[exchange][hedge]") {
  Call call{1, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& only = call.endpoint(0);

  call.pass(30ms);

  CHECK(call.n_asked() == 1);
  CHECK(only.stream != nullptr);
  only.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE("Hedge: one that fails leaves the call to the other", "[exchange][hedge]") {
  Call call{3, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  test::ScriptedConnection& second = call.endpoint(1);
  const bool second_fails = GENERATE(false, true);
  const bool by_reply = GENERATE(false, true);
  CAPTURE(second_fails, by_reply);
  test::ScriptedConnection& failing = second_fails ? second : first;
  test::ScriptedConnection& other = second_fails ? first : second;

  if (by_reply) {
    failing.stream->on_reply_head(trailers_only("14"), true);
  } else {
    failing.fail_stream(kReset);
  }

  CHECK_FALSE(call.client.head.has_value());
  REQUIRE(other.stream != nullptr);
  other.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE(
    "Hedge: UNAVAILABLE right behind the head leaves the call to the other, though no retry is "
    "left",
    "[exchange][hedge]") {
  Call call{3, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  test::ScriptedConnection& second = call.endpoint(1);
  first.stream->on_reply_head(reply(), false);
  first.stream->on_reply_trailers(fields("grpc-status", "14"));

  CHECK_FALSE(call.client.head.has_value());
  REQUIRE(second.stream != nullptr);
  second.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE("Hedge: a reply that speaks against its pod does not win", "[exchange][hedge]") {
  Call call{3, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  call.endpoint(1).stream->on_reply_head(trailers_only("13"), true);  // INTERNAL: no condition

  CHECK_FALSE(call.client.head.has_value());
  first.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE("Hedge: one that cannot be sent costs no retry", "[exchange][hedge]") {
  const std::size_t n_endpoints = GENERATE(1, 2);
  CAPTURE(n_endpoints);
  Call call{n_endpoints, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  if (n_endpoints == 2) {
    call.refuse_connection(1);
  } else {
    call.pass(20ms);
    CHECK(call.metrics().hedges.read() == 0);
  }

  first.fail_stream(kReset);
  call.pass(60ms);

  CHECK_FALSE(call.client.head.has_value());
  CHECK(first.stream != nullptr);  // asked again
}

TEST_CASE("Hedge: none while a pod has asked for a pause, nor after it has forbidden more",
          "[exchange][hedge]") {
  Policy policy = hedging_after(20ms);
  policy.retries.limit = 3;
  Call call{4, policy};
  call.send_end();
  SECTION("a pause") {
    ReplyHead head = trailers_only("14");
    head.fields.add_copy("grpc-retry-pushback-ms", "5000");
    call.endpoint(0).stream->on_reply_head(std::move(head), true);
    call.pass(60ms);
    CHECK(call.n_asked() == 1);
  }
  SECTION("no more") {
    CHECK(call.endpoint(0).stream != nullptr);
    ReplyHead head = trailers_only("14");
    head.fields.add_copy("grpc-retry-pushback-ms", "-1");
    call.endpoint(1).stream->on_reply_head(std::move(head), true);
    call.endpoint(0).fail_stream(kReset);
    CHECK(call.client.header("nodeway-error") == "upstream_reset");
    CHECK(call.refused(telemetry::RetryRefusal::pushback) == 1);
  }
}

TEST_CASE("Hedge: a head that is held is gone with the attempt that a long body ends",
          "[exchange][hedge]") {
  Policy policy = hedging_after(5ms);
  policy.retries.limit = 2;
  Call call{2, policy};
  test::ScriptedConnection& first = call.endpoint(0);
  test::ScriptedConnection& second = call.endpoint(1);
  const std::string body(Body::kKeptBytes, 'x');
  call.send(body);
  REQUIRE(second.pull().size() == body.size());
  first.stream->on_reply_head(reply(), false);
  CHECK_FALSE(call.client.head.has_value());
  call.send("y");

  CHECK(second.pull() == "y");
  call.pass_turn();

  CHECK(first.was_reset == Reset::cancel);
  CHECK_FALSE(call.client.head.has_value());
  REQUIRE(second.stream != nullptr);
  second.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE("Retry: timeout.perTry begins with the last byte of the request", "[exchange][retry]") {
  Policy policy = idempotent();
  policy.per_try_timeout = 20ms;
  Call call{2, policy};
  call.send("bo");
  test::ScriptedConnection& first = call.endpoint(0);
  REQUIRE(first.pull() == "bo");
  call.pass(60ms);
  REQUIRE(first.stream != nullptr);
  call.send("dy");
  call.send_end();
  REQUIRE(first.pull() == "dy");

  CHECK(call.endpoint(1).pull() == "body");
  CHECK(first.was_reset == Reset::cancel);
}

TEST_CASE("Hedge: if both fail, the client is told the last failure", "[exchange][hedge]") {
  Call call{3, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  call.endpoint(1).fail_stream(kReset);
  first.fail_stream(kReset);

  CHECK(call.client.header("nodeway-error") == "upstream_reset");
}

TEST_CASE("Hedge: a body beyond what is kept ends the one that has taken less of it",
          "[exchange][hedge]") {
  Call call{2, hedging_after(5ms)};
  test::ScriptedConnection& first = call.endpoint(0);
  test::ScriptedConnection& second = call.endpoint(1);
  const std::string body(Body::kKeptBytes, 'x');
  call.send(body);
  REQUIRE(first.pull().size() == body.size());
  REQUIRE(second.pull(10).size() == 10);
  call.send("y");

  CHECK(first.pull() == "y");

  CHECK(second.was_reset == Reset::cancel);
  CHECK(call.client.credited == body.size() + 1);
  first.stream->on_reply_head(trailers_only("0"), true);
  CHECK(call.client.header("grpc-status") == "0");
}

TEST_CASE("Hedge: a client that leaves ends both", "[exchange][hedge]") {
  Call call{2, hedging_after(5ms)};
  call.send_end();
  test::ScriptedConnection& first = call.endpoint(0);
  test::ScriptedConnection& second = call.endpoint(1);

  call.exchange().on_client_gone(Reset::cancel);

  CHECK(first.was_reset == Reset::cancel);
  CHECK(second.was_reset == Reset::cancel);
}

}  // namespace router
