// SPDX-License-Identifier: Apache-2.0
// What a caller notices of a neighbour on its node that floods the router: as little as can be.
#include "tests/integration/one_service.hpp"

#include <algorithm>
#include <csignal>
#include <deque>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

const std::string kGreedy = "127.0.0.2";
const std::string kPolite = "127.0.0.3";

/// A greedy caller and a polite one before a Service whose pod takes so many requests at a time.
struct Neighbours {
  explicit Neighbours(const std::string& limits)
      : path{test::always({.body = "ok", .held = true}),
             "version: 1\ndefaults:\n  limits: {" + limits + "}\n",
             {"--workers", "1"}} {
    served = greedy.open_get("cart.shop", "/served");
    greedy.ping();
    test::eventually("the first request", [&] { return path.upstream.requests_seen() == 1; });
  }

  /// Lets the requests that are with the pod go, and waits for the one that comes then.
  std::string next() {
    const int before = path.upstream.requests_seen();
    path.upstream.release();
    test::eventually("the next one", [&] { return path.upstream.requests_seen() == before + 1; });
    return path.upstream.requests().back().header(":path").value_or("");
  }

  test::OneService path;
  test::H2Client greedy{path.router.listen_port(), {.from = kGreedy}};
  test::H2Client polite{path.router.listen_port(), {.from = kPolite}};
  test::StreamId served{};
};

}  // namespace

TEST_CASE("nodeway: where requests wait for room, the callers are served in turn",
          "[integration][fair]") {
  Neighbours setup{"concurrency: 1"};
  std::vector<test::StreamId> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(setup.greedy.open_get("cart.shop", "/greedy"));
  }
  setup.greedy.ping();  // they wait
  const auto polite = setup.polite.open_get("cart.shop", "/polite");
  setup.polite.ping();

  CHECK(setup.next() == "/greedy");
  CHECK(setup.next() == "/polite");
  CHECK(setup.next() == "/greedy");

  CHECK(setup.polite.wait(polite).status == 200);
  for (std::size_t i = 2; i < waiting.size(); ++i) {
    setup.next();
  }
  setup.path.upstream.release();
  for (const test::StreamId each : waiting) {
    CHECK(setup.greedy.wait(each).status == 200);
  }
}

TEST_CASE("nodeway: a queue that one caller has filled has room for another's request",
          "[integration][fair]") {
  Neighbours setup{"concurrency: 1, queue: {size: 10}"};
  std::vector<test::StreamId> waiting;
  for (int i = 0; i < 10; ++i) {
    waiting.push_back(setup.greedy.open_get("cart.shop", "/" + std::to_string(i)));
  }
  const auto beyond = setup.greedy.open_get("cart.shop", "/beyond");
  CHECK(setup.greedy.wait(beyond).header("nodeway-error") == "overloaded");

  const auto polite = setup.polite.open_get("cart.shop", "/polite");
  setup.polite.ping();

  const test::Reply crowded_out = setup.greedy.wait(waiting.back());  // the last to have come
  CHECK(crowded_out.status == 503);
  CHECK(crowded_out.header("nodeway-error") == "overloaded");
  CHECK(setup.next() == "/0");
  CHECK(setup.next() == "/polite");
  CHECK(setup.path.router.metric("nodeway_limit_hits_total", {{"limit", "queue_requests"}}) == 2);
  for (int i = 1; i < 9; ++i) {
    CHECK(setup.next() == "/" + std::to_string(i));
  }
  setup.path.upstream.release();
  CHECK(setup.polite.wait(polite).status == 200);
  CHECK(setup.greedy.wait(waiting[8]).status == 200);
}

TEST_CASE("nodeway: a flood of one caller does not go before another's request",
          "[integration][fair]") {
  constexpr int kFlood = 900;
  test::OneService path{test::answer(200, "ok"), {}, {"--workers", "1"}};
  test::H2Client greedy{path.router.listen_port(), {.from = kGreedy}};
  test::H2Client polite{path.router.listen_port(), {.from = kPolite}};
  REQUIRE(greedy.get("cart.shop", "/greedy").status == 200);
  REQUIRE(polite.get("cart.shop", "/polite").status == 200);

  // Both have come before the router looks.
  path.router.freeze();
  std::vector<test::StreamId> flood;
  for (int i = 0; i < kFlood; ++i) {
    flood.push_back(greedy.open_get("cart.shop", "/greedy"));
  }
  const auto only = polite.open_get("cart.shop", "/polite");
  path.router.signal(SIGCONT);

  CHECK(polite.wait(only).status == 200);
  for (const test::StreamId each : flood) {
    CHECK(greedy.wait(each).status == 200);
  }
  const std::vector<test::SeenRequest> seen = path.upstream.requests();
  REQUIRE(seen.size() == kFlood + 3);
  const auto place = std::find_if(seen.rbegin(), seen.rend(), [](const test::SeenRequest& each) {
    return each.header(":path") == "/polite";
  });
  const std::ptrdiff_t n_before = seen.rend() - place - 3;
  CAPTURE(n_before);
  CHECK(n_before < kFlood / 10);  // two turns of 16 each, were it not for what is on the wire
  CHECK(path.router.metric("nodeway_requests_put_off_total") > 0);
}

TEST_CASE("nodeway: a caller has so many requests open and no more, whatever the number of workers",
          "[integration][fair]") {
  const std::string workers = GENERATE("1", "4");
  CAPTURE(workers);
  constexpr int kMost = 10'000;  // docs/errors.md, callers
  constexpr int kEach = 1000;    // streams of a connection
  // All but one wait in the router.
  test::OneService path{
      test::always({.body = "ok", .held = true}),
      "version: 1\ndefaults: {limits: {concurrency: 1, queue: {size: 100000, timeout: 2m}}}\n",
      {"--workers", workers}};
  std::deque<test::H2Client> clients;
  for (int n = 0; n < kMost; n += kEach) {
    test::H2Client& client =
        clients.emplace_back(path.router.listen_port(), test::H2Client::Options{.from = kGreedy});
    for (int i = 0; i < kEach; ++i) {
      client.open_get("cart.shop", "/");
    }
  }
  // Counted, and told to the other workers, which comes at the end of a turn.
  for (test::H2Client& client : clients) {
    client.ping();
  }
  path.router.wait_metric("nodeway_streams_open", kMost);
  test::H2Client one_more{path.router.listen_port(), {.from = kGreedy}};

  const test::Reply told = one_more.get("cart.shop", "/");

  CHECK(told.status == 429);
  CHECK(told.header("nodeway-error") == "caller_limit");
  CHECK(told.body.find("10000 open requests of 127.0.0.2") != std::string::npos);
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "caller_requests"}}) == 1);
  path.client.open_get("cart.shop", "/others");
  path.client.ping();
  path.router.wait_metric("nodeway_streams_open", kMost + 1);
  clients.pop_back();
  path.router.wait_metric("nodeway_streams_open", kMost + 1 - kEach);
  one_more.open_get("cart.shop", "/");
  one_more.ping();
  path.router.wait_metric("nodeway_streams_open", kMost + 2 - kEach);
}
