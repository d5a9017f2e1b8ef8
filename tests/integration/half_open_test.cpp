// SPDX-License-Identifier: Apache-2.0
// Peers that vanish without a word: no FIN, no reset, no answer to anything.
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

// router/worker/keep_alive.hpp, and as much again as a busy machine may take.
constexpr auto kPodPatience = 19s + 15s;
constexpr auto kClientPatience = 30s + 15s;

}  // namespace

TEST_CASE("nodeway: a client that vanished is noticed, and its call ends at the pod",
          "[integration][attack]") {
  test::OneService path{test::always({.at_head = true, .open_end = true})};
  test::H2Client other{path.router.listen_port()};
  path.client.wait_head(path.client.open_get("cart.shop", "/watch"));
  const test::StreamId kept = other.open_get("cart.shop", "/watch");
  other.wait_head(kept);

  path.client.vanish();
  path.router.wait_metric("nodeway_client_connections_open", 1, {}, kClientPatience);
  path.upstream.wait_until_open(1);

  other.ping();
  CHECK_FALSE(other.peek(kept).ended);
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "client_cancelled"}}) == 1);
}

TEST_CASE("nodeway: a client that vanished is noticed by a reply that it does not acknowledge",
          "[integration][attack]") {
  test::OneService path{test::always({.held = true})};
  path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  path.client.vanish();
  path.upstream.release();

  path.router.wait_metric("nodeway_client_connections_open", 0, {}, kClientPatience);
}

TEST_CASE("nodeway: a pod that vanished is noticed while a call waits for its next message",
          "[integration][attack]") {
  test::OneService path{test::always({.at_head = true, .open_end = true})};
  const test::StreamId waiting = path.client.open_grpc("cart.shop", "/cart.Cart/Watch");
  path.client.wait_head(waiting);

  path.upstream.vanish();
  path.client.pump_until(
      "the call to end", [&] { return path.client.peek(waiting).ended; }, kPodPatience);

  CHECK(path.client.peek(waiting).trailer("nodeway-error") == "upstream_reset");
  CHECK(path.client.peek(waiting).grpc_status() == 14);
}

TEST_CASE("nodeway: a pod that vanished is noticed by a call that it does not acknowledge",
          "[integration][attack]") {
  test::OneService path{test::answer(200, "ok")};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);

  path.upstream.vanish();
  const test::StreamId lost = path.client.open_grpc("cart.shop", "/cart.Cart/Get");
  path.client.end(lost);
  path.client.pump_until(
      "the call to end", [&] { return path.client.peek(lost).ended; }, kPodPatience);

  CHECK(path.client.peek(lost).header("nodeway-error") == "upstream_reset");
  CHECK(path.client.get("cart.shop", "/").status == 200);  // over another connection
}
