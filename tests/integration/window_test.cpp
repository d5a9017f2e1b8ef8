// SPDX-License-Identifier: Apache-2.0
// Windows of HTTP/2 streams: at their borders, over long ways, and of all streams together.
#include "tests/integration/at_rest.hpp"
#include "tests/integration/one_service.hpp"
#include "tests/support/delayed_link.hpp"

#include <algorithm>
#include <filesystem>
#include <list>
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kWindow = 64 << 10;  // of a stream at its beginning
constexpr std::uint64_t kMostWindow = 1 << 20;
constexpr auto kOneWay = 10ms;
constexpr auto kRest = 500ms;  // without progress for so long, a sender has come to rest
constexpr auto kLongPatience = 60s;
const std::string kGreedy = "127.0.0.2";  // another caller than the clients that say nothing of it

test::Script echoes() {
  return test::always({.echo = true});
}

/// `far.shop`, whose replies of 1 GiB come over a long way, and a client.
struct FarService {
  test::Upstream upstream{test::always({.filler_bytes = 1U << 30U})};
  test::DelayedLink link{upstream.port(), kOneWay};
  test::ClusterFolder cluster;
  test::RouterProcess router{{.source = with_service()}};
  test::H2Client client{router.listen_port()};

 private:
  std::filesystem::path with_service() {
    cluster.add_service("far.shop", 80, {{.port = link.port()}});
    return cluster.path();
  }
};

}  // namespace

TEST_CASE("nodeway: messages as large as a window, a byte less and a byte more pass both ways",
          "[integration][windows]") {
  test::OneService path{echoes()};

  for (const std::uint64_t window : {std::uint64_t{65535}, kWindow, kMostWindow}) {
    for (const std::uint64_t n_bytes : {window - 1, window, window + 1}) {
      CAPTURE(n_bytes);
      const test::StreamId whole = path.client.open_post("cart.shop", "/");
      path.client.send_filler(whole, n_bytes);
      path.client.end(whole);
      CHECK(path.client.wait(whole).body_bytes == n_bytes);

      // The end comes by itself, when the window has been used up.
      const test::StreamId open = path.client.open_post("cart.shop", "/");
      path.client.send_filler(open, n_bytes);
      path.client.wait_body(open, n_bytes);
      path.client.end(open, {{"checksum", "1"}});
      CHECK(path.client.wait(open).body_bytes == n_bytes);
    }
  }
}

TEST_CASE("nodeway: that a call may be repeated holds back none of its bytes",
          "[integration][windows]") {
  constexpr std::uint64_t kMessage = 200'000;  // more than a window, and than what is kept
  const bool replies_at_once = GENERATE(false, true);
  CAPTURE(replies_at_once);
  test::OneService path{replies_at_once ? echoes() : test::answer(200, "ok"),
                        "version: 1\ndefaults: {retries: {idempotent: true}}\n"};
  const test::StreamId stream = path.client.open_grpc("cart.shop", "/s/M");

  for (std::uint64_t n = 1; n <= 5; ++n) {
    path.client.send_filler(stream, kMessage);
    test::eventually("the message to be there", [&] {
      path.client.pump_for(1ms);
      return path.upstream.wait_for_request(1).body_bytes == n * kMessage;
    });
    if (replies_at_once) {
      path.client.wait_body(stream, n * kMessage);
    }
  }
  path.client.end(stream);

  CHECK(path.client.wait(stream).status == 200);
}

TEST_CASE("nodeway: over a long way the window of a reply grows to what the way carries",
          "[integration][windows]") {
  FarService far;
  const test::StreamId stream = far.client.open_get("far.shop", "/");

  far.client.pump_until(
      "much of the reply",
      [&] { return far.client.peek(stream).body_bytes >= 16 * kMostWindow; },
      kLongPatience);
  far.client.set_reading(stream, false);
  const std::uint64_t sent = test::at_rest(
      far.client, kRest, [&] { return far.upstream.wait_for_request(1).reply_bytes; });

  const std::uint64_t n_kept = sent - far.client.peek(stream).body_bytes;
  CHECK(n_kept > kMostWindow / 2);
  CHECK(n_kept <= kMostWindow + (512 << 10));  // what was written, but not read, is in it
  test::H2Client other{far.router.listen_port()};
  const test::StreamId beside = other.open_get("far.shop", "/");
  other.pump_until(
      "a reply beside a stalled one",
      [&] { return other.peek(beside).body_bytes >= kMostWindow; },
      kLongPatience);
}

TEST_CASE("nodeway: over a long way the window of a request grows to what the way carries",
          "[integration][windows]") {
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    return test::Answer{.reads = request.header(":path") != "/stall"};
  }}};
  test::DelayedLink link{path.router.listen_port(), kOneWay};
  test::H2Client client{link.port()};
  const test::StreamId fast = client.open_post("cart.shop", "/");
  client.send_filler(fast, 16 * kMostWindow);
  client.end(fast);
  client.pump_until(
      "a long request", [&] { return client.peek(fast).ended; }, kLongPatience);

  const test::StreamId stalled = client.open_post("cart.shop", "/stall");
  client.send_filler(stalled, 16 * kMostWindow);
  const std::uint64_t sent =
      test::at_rest(client, kRest, [&] { return client.sent_bytes(stalled); });

  CHECK(client.peek(fast).status == 200);
  CHECK(sent > kMostWindow / 2);  // what the pod's window took made this one grow
  CHECK(sent <= kMostWindow + (512 << 10));
}

TEST_CASE("nodeway: long bidirectional streams, slow and fast, share their connections",
          "[integration][windows]") {
  constexpr std::uint64_t kFast = 16 << 20;
  constexpr std::size_t kMessages = 50;
  test::OneService path{echoes()};
  const test::StreamId fast = path.client.open_post("cart.shop", "/fast");
  const test::StreamId slow = path.client.open_post("cart.shop", "/slow");
  path.client.send_filler(fast, kFast);

  for (std::size_t n = 1; n <= kMessages; ++n) {
    path.client.send(slow, "message ");
    path.client.wait_body(slow, 8 * n);
  }
  path.client.pump_until(
      "the fast one", [&] { return path.client.peek(fast).body_bytes == kFast; }, kLongPatience);
  path.client.end(fast);
  path.client.end(slow);

  CHECK(path.client.wait(fast).body_bytes == kFast);
  CHECK(path.client.wait(slow).body_bytes == 8 * kMessages);
  CHECK(path.upstream.complaints().empty());
}

TEST_CASE("nodeway: many slow readers do not take more than the memory for buffers",
          "[integration][windows][promise]") {
  constexpr int kClients = 3;
  constexpr int kStreams = 900;  // of each: with a window for all of them, three times the limit
  constexpr std::uint64_t kMaxBuffers = 64 << 20;
  // What is on its way when it is reached, and what a stream costs besides.
  constexpr std::uint64_t kMore = 48 << 20;
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    return test::Answer{.body = "ok",
                        .filler_bytes = request.header(":path") == "/much" ? 1U << 30U : 0};
  }}};
  const std::size_t rss_before = path.router.rss_bytes();

  std::list<test::H2Client> slow;
  for (int n = 0; n < kClients; ++n) {
    test::H2Client& client =
        slow.emplace_back(path.router.listen_port(),
                          test::H2Client::Options{.stream_window_bytes = 1024, .from = kGreedy});
    for (int i = 0; i < kStreams; ++i) {
      client.set_reading(client.open_get("cart.shop", "/much"), false);
    }
    client.pump_for(kRest);
  }
  std::uint64_t most = 0;
  for (int n = 0; n < 20; ++n) {
    const test::Reply reply = path.client.get("cart.shop", "/");
    CHECK(reply.status == 200);
    CHECK(reply.body == "ok");
    most = std::max(most, static_cast<std::uint64_t>(path.router.metric("nodeway_buffer_bytes")));
  }

  CHECK(path.client.post("cart.shop", "/", std::string(1 << 20, 'x')).status == 200);
  CHECK(most > kMaxBuffers / 2);  // else it proved nothing
  CHECK(most <= kMaxBuffers + kMore);
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "buffer_bytes"}}) > 0);
  if (!test::is_sanitized()) {
    CHECK(path.router.rss_bytes() <= rss_before + kMaxBuffers + kMore);
  }
  slow.clear();
  path.router.wait_metric("nodeway_buffer_bytes", 0);
}

TEST_CASE(
    "nodeway: windows that have grown keep to the memory for buffers when nobody reads any more",
    "[integration][windows]") {
  constexpr std::size_t kStreams = 100;
  constexpr std::uint64_t kEach = 256 << 10;
  constexpr double kAtMost = 40 << 20;  // 16 MiB that they have grown by, and what they began with
  FarService far;
  std::vector<test::StreamId> streams{far.client.open_get("far.shop", "/")};
  far.client.pump_until(
      "much of a reply",
      [&] { return far.client.peek(streams[0]).body_bytes >= 16 * kMostWindow; },
      kLongPatience);
  far.client.set_reading(streams[0], false);

  while (streams.size() < kStreams) {
    streams.push_back(far.client.open_get("far.shop", "/"));
  }
  far.client.pump_until(
      "a part of each reply",
      [&] {
        return std::all_of(streams.begin(), streams.end(), [&](test::StreamId stream) {
          return far.client.peek(stream).body_bytes >= kEach;
        });
      },
      kLongPatience);
  for (const test::StreamId stream : streams) {
    far.client.set_reading(stream, false);
  }
  double buffered = 0;
  test::at_rest(far.client, kRest, [&] {
    buffered = far.router.metric("nodeway_buffer_bytes");
    return static_cast<std::uint64_t>(buffered);
  });

  CHECK(buffered > 4 << 20);  // else it proved nothing
  CHECK(buffered < kAtMost);
  CHECK(far.router.metric("nodeway_limit_hits_total", {{"limit", "window_growth"}}) > 0);
}

TEST_CASE("nodeway: heads of replies that a client does not read count in the memory for buffers",
          "[integration][windows]") {
  constexpr int kStreams = 900;
  constexpr std::size_t kHead = 40'000;
  constexpr double kCounted = 16 << 20;  // about half of them: sockets take the others
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    test::Answer answer{.body = "ok"};
    if (request.header(":path") == "/large") {
      answer.headers = {{"x-large", std::string(kHead, 'x')}};
    }
    return answer;
  }}};
  std::optional<test::H2Client> idle{std::in_place, path.router.listen_port()};
  idle->ping();  // so that it knows how many streams it may open
  for (int i = 0; i < kStreams; ++i) {
    idle->open_get("cart.shop", "/large");
  }

  test::eventually("the heads to count",
                   [&] { return path.router.metric("nodeway_buffer_bytes") > kCounted; });

  CHECK(path.client.get("cart.shop", "/").body == "ok");
  idle.reset();
  path.router.wait_metric("nodeway_buffer_bytes", 0);
}

TEST_CASE("nodeway: heads of a caller's requests do not take more than the memory for buffers",
          "[integration][windows]") {
  constexpr int kConnections = 2;
  constexpr int kStreams = 620;  // of each
  constexpr std::size_t kHead = 60'000;
  constexpr double kMaxBuffers = 64 << 20;
  constexpr double kTurn = 2 << 20;  // what comes in the turn in which it is reached
  static_assert(kHead * kConnections * kStreams > kMaxBuffers + kTurn);
  test::Script never = test::answer(200, "never");
  never.max_concurrent_streams = 0;  // so that they wait in the router
  test::OneService path{never,
                        "version: 1\ndefaults: {limits: {queue: {size: 100000, timeout: 2m}}}\n"};
  std::list<test::H2Client> greedy;
  for (int n = 0; n < kConnections; ++n) {
    test::H2Client& client =
        greedy.emplace_back(path.router.listen_port(), test::H2Client::Options{.from = kGreedy});
    client.ping();  // so that it knows how many streams it may open
    for (int i = 0; i < kStreams; ++i) {
      client.open_get("cart.shop", "/", {{"x-large", std::string(kHead, 'x')}});
    }
  }

  test::eventually("a refusal", [&] {
    for (test::H2Client& client : greedy) {
      client.pump_for(1ms);
    }
    return path.router.metric("nodeway_limit_hits_total", {{"limit", "caller_bytes"}}) > 0;
  });
  for (test::H2Client& client : greedy) {
    client.ping();
  }

  const double buffered = path.router.metric("nodeway_buffer_bytes");
  CHECK(buffered > kMaxBuffers / 2);
  CHECK(buffered <= kMaxBuffers + kTurn);
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "caller_limit"}}) > 0);
  CHECK(path.client.get("nothing.shop", "/").status == 404);  // others are served
  greedy.clear();
  path.router.wait_metric("nodeway_buffer_bytes", 0);
}
