// SPDX-License-Identifier: Apache-2.0
// Retries and hedges: what may have reached an application is sent again where the policy says so.
#include "tests/integration/one_service.hpp"

#include <algorithm>
#include <atomic>
#include <random>

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>

using namespace std::chrono_literals;

namespace {

/// Service `cart.shop` with two endpoints, asked in turn, of which the first plays a script.
struct TwoEndpoints {
  TwoEndpoints(test::Script bad_script, const std::string& policy)
      : bad{std::move(bad_script)}, router{written(policy)}, client{router.listen_port()} {}

  test::Upstream bad;
  test::Upstream good{test::answer(200, "pong")};
  test::ClusterFolder cluster{};
  test::RouterProcess router;
  test::H2Client client;

 private:
  test::RouterProcess::Options written(const std::string& policy) {
    cluster.set_config(
        "version: 1\ndefaults: {balancer: {policy: round_robin}, ejection: {consecutive: 0}}\n"
        "services:\n  cart.shop: " +
        policy + "\n");
    cluster.add_service("cart.shop", 80, {bad.endpoint(), good.endpoint()});
    return {.source = cluster.path()};
  }
};

}  // namespace

TEST_CASE("nodeway: a GET that gets 503 or a reset is retried on another pod, a POST is not",
          "[integration][retry]") {
  const bool by_reset = GENERATE(false, true);
  CAPTURE(by_reset);
  test::Answer failure{.status = 503, .body = "no"};
  if (by_reset) {
    failure = {.reset = NGHTTP2_INTERNAL_ERROR};
  }
  TwoEndpoints setup{test::always(failure), "{}"};

  for (int i = 0; i < 10; ++i) {
    REQUIRE(setup.client.get("cart.shop", "/").body == "pong");
  }
  int n_failed = 0;
  for (int i = 0; i < 10; ++i) {
    n_failed += setup.client.post("cart.shop", "/", "body").status == 200 ? 0 : 1;
  }

  CHECK(n_failed == 5);
  const double n_retries = setup.router.metric("nodeway_retries_total");
  CHECK(n_retries >= 5);  // a retry takes the good pod's turn
  CHECK(setup.bad.requests_seen() == n_retries + n_failed);
}

TEST_CASE("nodeway: a POST is retried with its whole body where the policy says idempotent",
          "[integration][retry]") {
  TwoEndpoints setup{test::always({.status = 503}), "{retries: {idempotent: true}}"};
  const std::string body(60'000, 'b');

  for (int i = 0; i < 6; ++i) {
    REQUIRE(setup.client.post("cart.shop", "/", body).status == 200);
  }

  CHECK(setup.router.metric("nodeway_retries_total") == setup.bad.requests_seen());
  CHECK(setup.bad.requests_seen() >= 3);
  for (const test::SeenRequest& seen : setup.good.requests()) {
    CHECK(seen.body == body);
  }
}

TEST_CASE("nodeway: a gRPC call that one pod fails reaches the next byte for byte, or not at all",
          "[integration][retry]") {
  const bool has_head = GENERATE(false, true);
  CAPTURE(has_head);
  TwoEndpoints setup{test::always(has_head ? test::grpc_answer({}, 14, "away")
                                           : test::grpc_trailers_only(14, "away")),
                     "{retries: {idempotent: true}}"};
  setup.good.set_script(test::always(test::grpc_answer({"pong"})));
  std::minstd_rand random{1};

  for (const std::size_t n_bytes :
       {0U, 1U, 1000U, 16'379U, 16'380U, 65'530U, 65'531U, 65'532U, 300'000U}) {
    CAPTURE(n_bytes);
    std::string message(n_bytes, '\0');
    std::generate(message.begin(), message.end(), [&] { return static_cast<char>(random()); });
    const std::string body = test::grpc_frame(message);
    const bool is_kept = body.size() <= 65'536;
    setup.good.clear();
    for (int i = 0; i < 2; ++i) {  // in turn, so that at least one begins at the bad pod
      const int status = setup.client.grpc("cart.shop", "/s/M", message).grpc_status();
      CHECK((status == 0 || (status == 14 && !is_kept)));
    }
    for (const test::SeenRequest& seen : setup.good.requests()) {
      CHECK(seen.body == body);
    }
    CHECK(setup.good.requests().size() == (is_kept ? 2 : 1));
  }

  CHECK(setup.router.metric("nodeway_retries_total") >= 7);
  // Where the status is in trailers, the head of what cannot be repeated is not held for it.
  CHECK(setup.router.metric("nodeway_retries_refused_total", {{"reason", "body"}}) ==
        (has_head ? 0 : 2));
}

TEST_CASE("nodeway: an only pod that asks for a pause gets no retry before its end",
          "[integration][retry]") {
  std::atomic<int> n_asked = 0;  // outlives the pod
  const auto answer = [&n_asked](const test::SeenRequest&) {
    if (n_asked++ == 0) {
      return test::Answer{.status = 503, .headers = {{"retry-after", "1"}}};
    }
    return test::Answer{.body = "pong"};
  };
  test::OneService path{{.answer = answer}};

  CHECK(path.client.get("cart.shop", "/").body == "pong");

  const auto seen = path.upstream.requests();
  REQUIRE(seen.size() == 2);
  CHECK(seen[1].began_at - seen[0].began_at >= 1s);
}

TEST_CASE("nodeway: a hedge hides a pod that is slow, and cancels the slow one's call",
          "[integration][retry]") {
  TwoEndpoints setup{test::always({.held = true}),
                     "{retries: {idempotent: true, hedgingDelay: 30ms}}"};

  for (int i = 0; i < 6; ++i) {
    REQUIRE(setup.client.post("cart.shop", "/", "body").body == "pong");
  }

  CHECK(setup.router.metric("nodeway_hedges_total") == setup.bad.requests_seen());
  REQUIRE(setup.bad.requests_seen() >= 3);
  const test::SeenRequest loser =
      setup.bad.wait_for(1, "its reset", [](const auto& seen) { return seen.closed; });
  CHECK(loser.reset_code == NGHTTP2_CANCEL);
}

TEST_CASE("nodeway: a pod that is silent for timeout.perTry loses the call to another",
          "[integration][retry]") {
  TwoEndpoints setup{test::always({.held = true}),
                     "{timeout: {perTry: 30ms}, retries: {idempotent: true}}"};

  for (int i = 0; i < 6; ++i) {
    REQUIRE(setup.client.post("cart.shop", "/", "body").body == "pong");
  }

  CHECK(setup.router.metric("nodeway_retries_total") == setup.bad.requests_seen());
  CHECK(setup.bad.requests_seen() >= 3);
}

TEST_CASE("nodeway: where all pods fail, retries stay within their budget, and that is counted",
          "[integration][retry]") {
  TwoEndpoints setup{
      test::always({.status = 503}),
      "{retries: {idempotent: true, budget: {ratio: 0.2, minPerSecond: 0, window: 1m}}}"};
  setup.good.set_script(test::always({.status = 503}));

  for (int i = 0; i < 100; ++i) {
    REQUIRE(setup.client.post("cart.shop", "/", "body").status == 503);
  }

  CHECK(setup.router.metric("nodeway_retries_total") == 20);
  CHECK(setup.router.metric("nodeway_retries_refused_total", {{"reason", "budget"}}) == 80);
  CHECK(setup.router.metric("nodeway_retries_refused_total", {{"reason", "limit"}}) == 20);
}

TEST_CASE("nodeway: a reply that does not begin, or stops, ends by its own timeout",
          "[integration][deadline]") {
  SECTION("timeout.responseStart") {
    test::OneService setup{test::always({.held = true}),
                           "version: 1\ndefaults: {timeout: {responseStart: 50ms}}\n"};
    const test::Reply reply = setup.client.get("cart.shop", "/");
    CHECK(reply.status == 504);
    CHECK(reply.header("nodeway-error") == "response_timeout");
  }
  SECTION("timeout.idle") {
    test::OneService setup{test::always({.body = "half", .open_end = true}),
                           "version: 1\ndefaults: {timeout: {idle: 100ms}}\n"};
    const test::Reply reply = setup.client.get("cart.shop", "/");
    CHECK(reply.status == 200);
    CHECK(reply.reset_code == NGHTTP2_INTERNAL_ERROR);
    CHECK(setup.router.metric("nodeway_responses_total", {{"reason", "response_timeout"}}) == 1);
  }
}
