// SPDX-License-Identifier: Apache-2.0
// Cancels and resets pass through both ways, and leave nothing behind.
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"

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

TEST_CASE("nodeway: an endpoint sees that an HTTP/1.1 client is gone that is not read meanwhile",
          "[integration][cancel][http1]") {
  const std::string get = "GET / HTTP/1.1\r\nHost: cart.shop\r\n\r\n";
  // More than is read ahead: what an endpoint that takes nothing has room for, and 64 KiB. Not much
  // more: what the kernel has no room for keeps the client's FIN from coming.
  const std::string upload =
      "PUT / HTTP/1.1\r\nHost: cart.shop\r\nContent-Length: 1000000\r\n\r\n" +
      std::string(2 * 65'536 + 10'000, 'x');
  const std::string sent = GENERATE_COPY(get + get, upload);
  const bool is_reset = GENERATE(false, true);
  CAPTURE(sent.substr(0, 3), is_reset);
  test::Upstream upstream{test::always({.reads = false, .held = true})};
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop", 80, {upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", "1"}}};
  test::Http1Client leaving{router.listen_port()};
  leaving.send(sent);
  upstream.wait_for_request(1);
  if (sent == upload) {
    upstream.wait_for(1, "its window to be full", [](const test::SeenRequest& request) {
      return request.body_bytes == 65'535;
    });
  }

  is_reset ? leaving.reset() : leaving.close();

  CHECK(upstream.wait_for(1, "the cancel", is_closed, kSoon).reset_code == NGHTTP2_CANCEL);
  router.wait_metric("nodeway_client_connections_open", 0);
  router.wait_metric("nodeway_streams_open", 0);
  CHECK(router.metric("nodeway_responses_total", {{"reason", "client_cancelled"}}) == 1);
  CHECK(upstream.requests_seen() == 1);
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

TEST_CASE("nodeway: whenever a call is cancelled, the next one has its place at the pod",
          "[integration][cancel]") {
  struct Phase {
    std::string name;
    test::Answer answer;
    bool is_request_whole;
    std::uint64_t reply_bytes;  ///< that are there when it is cancelled
  };
  const Phase phase = GENERATE(
      values<Phase>({{"before the reply", {.held = true}, true, 0},
                     {"before the end of the request", {}, false, 0},
                     {"amid the reply", {.body = "half", .open_end = true}, true, 4},
                     {"amid both", {.body = "half", .at_head = true, .open_end = true}, false, 4},
                     {"unread", {.filler_bytes = 1 << 30}, true, 65'535}}));
  CAPTURE(phase.name);
  const auto answer = [&phase](const test::SeenRequest& request) {
    return request.header(":path") == "/next" ? test::Answer{.body = "ok"} : phase.answer;
  };
  test::OneService path{{.answer = answer}, "version: 1\ndefaults: {limits: {perEndpoint: 1}}\n"};

  for (int i = 0; i < 10; ++i) {
    const test::StreamId stream = path.client.open_post("cart.shop", "/");
    path.client.set_reading(stream, false);
    path.client.send(stream, "ping");
    if (phase.is_request_whole) {
      path.client.end(stream);
    }
    path.upstream.wait_until_open(1);
    path.client.pump_until("what it is cancelled at", [&] {
      return path.client.peek(stream).body_bytes >= phase.reply_bytes;
    });
    path.client.reset(stream, NGHTTP2_CANCEL);
    REQUIRE(path.client.get("cart.shop", "/next").body == "ok");
  }

  path.upstream.wait_until_open(0);
  CHECK(path.upstream.connections_seen() == 1);
  CHECK(path.upstream.max_streams_open() == 1);
  path.router.wait_metric("nodeway_streams_open", 0);
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
