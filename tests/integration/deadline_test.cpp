// SPDX-License-Identifier: Apache-2.0
// grpc-timeout is a deadline: enforced here, and lowered by the time spent here.
#include "tests/integration/one_service.hpp"

#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

/// Value of a grpc-timeout header. Source: gRPC over HTTP2, "Timeout".
std::chrono::nanoseconds parse_timeout(const std::string& text) {
  const auto value = std::stoll(text);
  switch (text.back()) {
    case 'H':
      return std::chrono::hours{value};
    case 'M':
      return std::chrono::minutes{value};
    case 'S':
      return std::chrono::seconds{value};
    case 'm':
      return std::chrono::milliseconds{value};
    case 'u':
      return std::chrono::microseconds{value};
    case 'n':
      return std::chrono::nanoseconds{value};
    default:
      throw test::Failure{"no grpc-timeout: " + text};
  }
}

}  // namespace

TEST_CASE("nodeway: grpc-timeout ends a call that takes too long", "[integration][deadline]") {
  test::OneService path{test::always({.held = true})};
  const auto began_at = test::SteadyClock::now();

  const test::Reply reply = path.client.grpc("cart.shop", "/s/M", "", {{"grpc-timeout", "300m"}});

  CHECK(reply.grpc_status() == 4);
  CHECK(reply.header("nodeway-error") == "deadline_exceeded");
  CHECK(test::SteadyClock::now() - began_at >= 300ms);
  path.upstream.wait_until_open(0);
  CHECK(path.upstream.wait_for_request(1).reset_code);
}

TEST_CASE("nodeway: grpc-timeout ends a reply that has begun, too", "[integration][deadline]") {
  test::Answer endless = test::grpc_answer({"first"});
  endless.open_end = true;
  test::OneService path{test::always(endless)};

  const test::Reply reply = path.client.grpc("cart.shop", "/s/M", "", {{"grpc-timeout", "300m"}});

  CHECK(test::grpc_payloads(reply.body) == std::vector<std::string>{"first"});
  CHECK(reply.trailer("grpc-status") == "4");
  CHECK(reply.trailer("nodeway-error") == "deadline_exceeded");
}

TEST_CASE("nodeway: the endpoint is told what is left of grpc-timeout", "[integration][deadline]") {
  test::OneService path{test::always(test::grpc_answer({"x"}))};

  REQUIRE(path.client.grpc("cart.shop", "/s/M", "", {{"grpc-timeout", "20S"}}).grpc_status() == 0);

  const auto told = parse_timeout(path.upstream.wait_for_request(1).header("grpc-timeout").value());
  CHECK(told < 20s);
  CHECK(told > 10s);
}

TEST_CASE("nodeway: grpc-timeout holds over the wait for an endpoint", "[integration][deadline]") {
  test::Script never = test::answer(200, "never");
  never.max_concurrent_streams = 0;
  test::OneService path{never};
  const auto began_at = test::SteadyClock::now();

  const test::Reply reply = path.client.grpc("cart.shop", "/s/M", "", {{"grpc-timeout", "200m"}});

  CHECK((reply.grpc_status() == 4 || reply.grpc_status() == 14));
  CHECK(test::SteadyClock::now() - began_at < 2s);  // not the queue's 3 s
}

TEST_CASE("nodeway: all units of grpc-timeout are understood", "[integration][deadline]") {
  test::OneService path{test::always(test::grpc_answer({"x"}))};
  const auto* const timeout = GENERATE("1H", "2M", "30S", "40000m", "50000000u", "99999999m");
  CAPTURE(timeout);

  REQUIRE(path.client.grpc("cart.shop", "/s/M", "", {{"grpc-timeout", timeout}}).grpc_status() ==
          0);

  const auto told = parse_timeout(path.upstream.wait_for_request(1).header("grpc-timeout").value());
  CHECK(told <= parse_timeout(timeout));
  CHECK(told > parse_timeout(timeout) - 10s);
}

TEST_CASE("nodeway: a configured timeout holds for HTTP too, the narrower of two wins",
          "[integration][deadline]") {
  test::OneService path{test::always({.held = true}),
                        "version: 1\ndefaults: {timeout: {request: 20s}}\nservices: {cart.shop: "
                        "{timeout: {request: 200ms}}}\n"};

  const test::Reply http = path.client.get("cart.shop", "/");
  const test::Reply grpc = path.client.grpc("cart.shop", "/s/M", "", {{"grpc-timeout", "1H"}});

  CHECK(http.status == 504);
  CHECK(grpc.grpc_status() == 4);
}

TEST_CASE("nodeway: a call that nobody has given a deadline may be silent for long",
          "[integration][deadline]") {
  constexpr auto kLong = 16s;  // longer than what other proxies allow by default
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    return request.header(":path") == "/silent"
               ? test::Answer{.body = "late", .held = true}
               : test::Answer{.body = "first", .at_head = true, .open_end = true};
  }}};
  const test::StreamId silent = path.client.open_get("cart.shop", "/silent");
  const test::StreamId idle = path.client.open_grpc("cart.shop", "/idle");
  path.client.wait_body(idle, 1);

  path.client.pump_for(kLong);

  CHECK_FALSE(path.client.peek(silent).reset_code);
  CHECK_FALSE(path.client.peek(idle).reset_code);
  path.upstream.release();
  CHECK(path.client.wait(silent).body == "late");
}

TEST_CASE("nodeway: grpc-timeout holds for a client that does not read its reply",
          "[integration][deadline]") {
  test::Answer endless = test::grpc_answer({std::string(100'000, 'x')});
  endless.open_end = true;
  test::OneService path{test::always(endless)};
  const test::StreamId stream =
      path.client.open_grpc("cart.shop", "/s/M", {{"grpc-timeout", "300m"}});
  path.client.end(stream);
  path.client.set_reading(stream, false);

  const test::Reply reply = path.client.wait(stream);

  CHECK(reply.reset_code);  // trailers could not have passed the bytes before them
  path.router.wait_metric("nodeway_streams_open", 0);
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "deadline_exceeded"}}) == 1);
}

namespace {

/// Calls with a short deadline, all at once; how many failed for which reason.
std::map<std::string, int> reasons_of_calls(test::H2Client& client, int n_calls) {
  std::vector<test::StreamId> streams;
  for (int i = 0; i < n_calls; ++i) {
    streams.push_back(client.open_grpc("cart.shop", "/s/M", {{"grpc-timeout", "300m"}}));
    client.end(streams.back());
  }
  std::map<std::string, int> reasons;
  for (const test::StreamId stream : streams) {
    ++reasons[client.wait(stream).header("nodeway-error").value_or("none")];
  }
  return reasons;
}

}  // namespace

TEST_CASE("nodeway: when calls end late, fewer are sent at a time", "[integration][deadline]") {
  test::OneService path{test::always({.held = true})};
  REQUIRE(reasons_of_calls(path.client, 60)["deadline_exceeded"] == 60);

  std::map<std::string, int> reasons = reasons_of_calls(path.client, 60);

  CHECK(reasons["deadline_exceeded"] == 30);
  CHECK(reasons["overloaded"] == 30);
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "adaptive_concurrency"}}) == 30);

  SECTION("those without a deadline are not refused") {
    const test::StreamId stream = path.client.open_grpc("cart.shop", "/s/M");
    path.client.end(stream);
    path.upstream.wait_for_request(91);
  }
}

TEST_CASE("nodeway: without the adaptive limit all calls are sent", "[integration][deadline]") {
  test::OneService path{test::always({.held = true}),
                        "{version: 1, defaults: {limits: {concurrency: none}}}"};
  REQUIRE(reasons_of_calls(path.client, 60)["deadline_exceeded"] == 60);
  CHECK(reasons_of_calls(path.client, 60)["deadline_exceeded"] == 60);
}
