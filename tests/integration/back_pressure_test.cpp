// SPDX-License-Identifier: Apache-2.0
// A slow reader slows its own sender and nobody else, and costs no memory.
#include "tests/integration/at_rest.hpp"
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMuch = 1 << 30;
constexpr std::uint64_t kWindow = 65535;  // of the tests' own client and upstream, and the router's
constexpr std::uint64_t kMostUnread = kWindow + (256 << 10);
constexpr auto kRest = 300ms;  // without progress for so long, a sender has come to rest

/// One endpoint that never reads requests to `/stall` and answers others when they have ended.
test::Script stalls_on_demand() {
  return {.answer = [](const test::SeenRequest& request) {
    return test::Answer{.body = "ok", .reads = request.header(":path") != "/stall"};
  }};
}

/// How much memory a stalled stream may cost. Sanitizers keep what was freed, for a while.
std::size_t most_growth() {
  return std::size_t{test::is_sanitized() ? 64U : 2U} << 20U;
}

}  // namespace

TEST_CASE("nodeway: an endpoint that does not read stops its client",
          "[integration][pressure][promise]") {
  test::OneService path{stalls_on_demand()};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);
  const std::size_t rss_before = path.router.rss_bytes();
  const test::StreamId stalled = path.client.open_post("cart.shop", "/stall");

  path.client.send_filler(stalled, kMuch);
  const std::uint64_t sent =
      test::at_rest(path.client, kRest, [&] { return path.client.sent_bytes(stalled); });

  CHECK(sent >= kWindow);
  CHECK(sent <= kMostUnread);
  CHECK(path.router.rss_bytes() <= rss_before + most_growth());
}

TEST_CASE("nodeway: a client that does not read stops its endpoint",
          "[integration][pressure][promise]") {
  test::OneService path{test::always({.filler_bytes = kMuch})};
  test::H2Client other{path.router.listen_port()};
  const std::size_t rss_before = path.router.rss_bytes();
  const test::StreamId stalled = path.client.open_get("cart.shop", "/");
  path.client.set_reading(stalled, false);

  const std::uint64_t sent = test::at_rest(
      path.client, kRest, [&] { return path.upstream.wait_for_request(1).reply_bytes; });

  CHECK(path.client.peek(stalled).body_bytes == kWindow);
  CHECK(sent >= kWindow);
  CHECK(sent <= kMostUnread);
  CHECK(path.router.rss_bytes() <= rss_before + most_growth());
}

TEST_CASE("nodeway: a stalled request does not slow the one beside it on the same connections",
          "[integration][pressure]") {
  constexpr std::uint64_t kBody = 4 << 20;
  test::OneService path{stalls_on_demand()};
  const test::StreamId stalled = path.client.open_post("cart.shop", "/stall");
  path.client.send_filler(stalled, kMuch);
  test::at_rest(path.client, kRest, [&] { return path.client.sent_bytes(stalled); });

  const test::StreamId free = path.client.open_post("cart.shop", "/free");
  path.client.send_filler(free, kBody);
  path.client.end(free);
  const test::Reply reply = path.client.wait(free);

  CHECK(reply.body == "ok");
  CHECK(path.upstream.wait_for_request(2).body_bytes == kBody);
  CHECK(path.upstream.connections_seen() == 1);  // else it proved nothing
}

TEST_CASE("nodeway: a stalled reply does not slow the one beside it on the same connections",
          "[integration][pressure]") {
  constexpr std::uint64_t kBody = 4 << 20;
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    return test::Answer{.filler_bytes = request.header(":path") == "/stall" ? kMuch : kBody};
  }}};
  const test::StreamId stalled = path.client.open_get("cart.shop", "/stall");
  path.client.set_reading(stalled, false);
  test::at_rest(path.client, kRest, [&] { return path.upstream.wait_for_request(1).reply_bytes; });

  const test::Reply reply = path.client.get("cart.shop", "/free");

  CHECK(reply.body_bytes == kBody);
  CHECK(path.upstream.connections_seen() == 1);
}

TEST_CASE("nodeway: many stalled requests do not stall a connection", "[integration][pressure]") {
  // Each may hold a stream's window. Together they must not use up the windows of the connections.
  test::OneService path{stalls_on_demand()};
  std::vector<test::StreamId> stalled;
  for (int i = 0; i < 20; ++i) {
    stalled.push_back(path.client.open_post("cart.shop", "/stall"));
    path.client.send_filler(stalled.back(), kMuch);
  }
  path.client.pump_for(kRest);

  const test::Reply reply = path.client.post("cart.shop", "/free", std::string(200'000, 'x'));

  CHECK(reply.body == "ok");
}

TEST_CASE("nodeway: a stalled stream goes on when it is read again", "[integration][pressure]") {
  constexpr std::uint64_t kBody = 2 << 20;
  test::OneService path{test::always({.filler_bytes = kBody})};
  const test::StreamId stalled = path.client.open_get("cart.shop", "/");
  path.client.set_reading(stalled, false);
  test::at_rest(path.client, kRest, [&] { return path.client.peek(stalled).body_bytes; });

  path.client.set_reading(stalled, true);

  CHECK(path.client.wait(stalled).body_bytes == kBody);
}
