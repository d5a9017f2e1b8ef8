// SPDX-License-Identifier: Apache-2.0
// Retries and hedges: what may have reached an application is sent again where the policy says so.
#include "tests/integration/one_service.hpp"

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
