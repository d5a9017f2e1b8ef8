// SPDX-License-Identifier: Apache-2.0
// Cancels and resets pass through both ways, and leave nothing behind.
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>

using namespace std::chrono_literals;

namespace {

// What a busy machine is held to is that it does not hang.
constexpr test::Milliseconds kSoon{2000};
// What the product promises; a sanitized build may take longer for the same work.
constexpr test::Milliseconds kAtOnce{100};

bool is_closed(const test::SeenRequest& request) {
  return request.closed;
}

/// Opens a hundred streams and resets all of them, as far as the connection lives.
void cancel_together(test::H2Client& client) {
  constexpr int kTogether = 100;
  std::vector<test::StreamId> streams;
  for (int i = 0; i < kTogether && !client.is_closed(); ++i) {
    streams.push_back(client.open_get("cart.shop", "/"));
  }
  client.pump_for(1ms);
  for (const test::StreamId stream : streams) {
    if (!client.is_closed()) {
      client.reset(stream, NGHTTP2_CANCEL);
      client.forget(stream);
    }
  }
}

}  // namespace

TEST_CASE("nodeway: an endpoint sees a client's cancel at once", "[integration][cancel][promise]") {
  test::OneService path{test::always({.held = true})};
  const test::StreamId stream = path.client.open_grpc("cart.shop", "/s/M");
  path.upstream.wait_for_request(1);

  const test::TimePoint cancelled_at = test::SteadyClock::now();
  path.client.reset(stream, NGHTTP2_CANCEL);
  const test::SeenRequest seen = path.upstream.wait_for(1, "the cancel", is_closed, kSoon);

  CHECK(seen.reset_code == NGHTTP2_CANCEL);
  CHECK((test::is_sanitized() || *seen.reset_at - cancelled_at < kAtOnce));
  path.router.wait_metric("nodeway_streams_open", 0);
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "client_cancelled"}}) == 1);
}

TEST_CASE("nodeway: an endpoint sees that a client's connection is gone", "[integration][cancel]") {
  test::OneService path{test::always({.held = true})};
  {
    test::H2Client leaving{path.router.listen_port()};
    for (int i = 0; i < 3; ++i) {
      leaving.open_get("cart.shop", "/");
    }
    path.upstream.wait_until_open(3);
  }

  path.upstream.wait_until_open(0);
  path.router.wait_metric("nodeway_streams_open", 0);
}

TEST_CASE("nodeway: a cancel in the middle of a reply reaches the endpoint",
          "[integration][cancel]") {
  test::OneService path{test::always({.filler_bytes = 1 << 30})};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.client.wait_body(stream, 1 << 20);

  path.client.reset(stream, NGHTTP2_CANCEL);

  path.upstream.wait_for(1, "the cancel", is_closed, kSoon);
}

TEST_CASE("nodeway: a cancel while the request waits for an endpoint ends it",
          "[integration][cancel]") {
  test::Script never = test::answer(200, "never");
  never.max_concurrent_streams = 0;
  test::OneService path{never};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.router.wait_metric("nodeway_streams_open", 1);

  path.client.reset(stream, NGHTTP2_CANCEL);
  path.client.ping();

  path.router.wait_metric("nodeway_streams_open", 0, {}, kSoon);
}

TEST_CASE("nodeway: an endpoint's reset reaches the client", "[integration][cancel]") {
  test::OneService path{test::always({.body = "half", .open_end = true})};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.client.wait_body(stream, 4);

  path.upstream.reset_streams(NGHTTP2_CANCEL);
  const test::Reply reply = path.client.wait(stream);

  CHECK(reply.status == 200);
  CHECK_FALSE(reply.ended);
  CHECK(reply.reset_code);
  CHECK(path.client.ping() < kSoon);  // it ended the stream only
}

TEST_CASE("nodeway: a hundred thousand cancels leave nothing open",
          "[integration][cancel][promise]") {
  constexpr double kCancels = 100'000;
  constexpr int kRounds = 100;  // between two looks at the metrics
  test::OneService path{test::always({.held = true})};
  std::optional<test::H2Client> client{std::in_place, path.router.listen_port()};

  while (path.router.metric("nodeway_requests_total") < kCancels) {
    for (int round = 0; round < kRounds; ++round) {
      if (client->is_closed() || client->go_away_last_stream()) {
        client.emplace(path.router.listen_port());  // so many resets look like an attack
      }
      cancel_together(*client);
      path.upstream.clear();
    }
  }
  client.reset();

  path.router.wait_metric(
      "nodeway_client_connections_open", 1, {}, 30s);  // all of it has been read
  path.router.wait_metric("nodeway_streams_open", 0, {}, 30s);
  path.upstream.wait_until_open(0);
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "client_cancelled"}}) ==
        path.router.metric("nodeway_requests_total"));
  CHECK(path.upstream.requests_seen() > 0);  // the others were cancelled on their way
}
