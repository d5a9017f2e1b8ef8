// SPDX-License-Identifier: Apache-2.0
#include "router/control/publisher.hpp"

#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::control::Publisher;

namespace {

struct Bench {
  boost::asio::io_context loop;
  test::SimClock clock{loop};
  std::vector<std::chrono::steady_clock::duration> published_at;
  Publisher publisher{loop.get_executor(), clock, [this] {
                        published_at.push_back(clock.now().time_since_epoch());
                      }};
};

using Times = std::vector<std::chrono::steady_clock::duration>;

}  // namespace

TEST_CASE("Publisher: the first change is published at once, but not within the call",
          "[publisher]") {
  Bench bench;
  bench.clock.settle();

  bench.publisher.request();
  CHECK(bench.published_at.empty());
  bench.clock.settle();

  CHECK(bench.published_at == Times{0ms});
}

TEST_CASE("Publisher: a burst of changes is published at its start and every interval after",
          "[publisher]") {
  Bench bench;

  for (int ms = 0; ms < 45; ++ms) {
    bench.publisher.request();
    bench.publisher.request();
    bench.clock.advance(1ms);
  }
  bench.clock.advance(1s);

  CHECK(bench.published_at == Times{0ms, 20ms, 40ms, 60ms});
}

TEST_CASE("Publisher: without a change nothing is published", "[publisher]") {
  Bench bench;

  bench.clock.advance(1s);
  bench.publisher.request();
  bench.clock.advance(1s);

  CHECK(bench.published_at == Times{1s});
}

TEST_CASE("Publisher: after stop nothing is published", "[publisher]") {
  Bench bench;
  bench.publisher.request();
  bench.clock.settle();
  bench.publisher.request();

  bench.publisher.stop();
  bench.publisher.request();
  bench.clock.advance(1s);

  CHECK(bench.published_at == Times{0ms});
}
