// SPDX-License-Identifier: Apache-2.0
#include "router/worker/poller.hpp"

#include "router/telemetry/metrics.hpp"
#include "router/worker/loop.hpp"
#include "tests/support/socket.hpp"

#include <array>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

namespace router {
namespace {

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    near = test::Fd{ends[0]};
    far = test::Fd{ends[1]};
  }
  void send() const { REQUIRE(::write(far.get(), "x", 1) == 1); }

  test::Fd near;
  test::Fd far;
};

/// Says what it heard; reads nothing, so that its socket stays ready.
class Ear final : public Pollable {
 public:
  void on_ready(bool readable, bool writable) override {
    heard += readable ? (writable ? "rw " : "r ") : (writable ? "w " : "- ");
    on_heard();
  }

  std::string heard;
  std::function<void()> on_heard = [] {};
};

struct Core {
  boost::asio::io_context io;
  telemetry::CoreMetrics metrics;
  Loop loop{io, metrics};

  Poller& poller() { return loop.poller(); }
  /// Runs what is ready, once.
  void turn() {
    io.restart();
    io.poll_one();
  }
};

}  // namespace

TEST_CASE("Poller: tells in each turn what is ready of what is watched", "[poller]") {
  Core core;
  const Pair pair;
  Ear ear;
  core.poller().watch(pair.near.get(), ear, true, false);
  core.turn();
  CHECK(ear.heard.empty());

  pair.send();
  core.turn();
  core.turn();
  CHECK(ear.heard == "r r ");

  core.poller().watch(pair.near.get(), ear, true, true);
  core.turn();
  CHECK(ear.heard == "r r rw ");

  core.poller().watch(pair.near.get(), ear, false, true);
  core.turn();
  CHECK(ear.heard == "r r rw w ");
  core.poller().forget(ear);
}

TEST_CASE("Poller: what watches for nothing hears nothing, not even of a hang-up", "[poller]") {
  Core core;
  Pair pair;
  Ear ear;
  core.poller().watch(pair.near.get(), ear, true, false);
  core.poller().watch(pair.near.get(), ear, false, false);
  pair.far = test::Fd{};

  core.turn();
  core.turn();
  CHECK(ear.heard.empty());

  core.poller().watch(pair.near.get(), ear, true, false);
  core.turn();
  CHECK(ear.heard == "r ");
  core.poller().forget(ear);
}

TEST_CASE("Poller: a hang-up is told as what is watched for", "[poller]") {
  Core core;
  Pair pair;
  Ear ear;
  core.poller().watch(pair.near.get(), ear, false, true);
  pair.far = test::Fd{};

  core.turn();

  CHECK(ear.heard == "w ");
  core.poller().forget(ear);
}

TEST_CASE("Poller: all that are ready are served in one turn, but for what was forgotten in it",
          "[poller]") {
  Core core;
  std::array<Pair, 3> pairs;
  std::array<Ear, 3> ears;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    core.poller().watch(pairs[i].near.get(), ears[i], true, false);
    pairs[i].send();
  }
  ears[0].on_heard = [&] { core.poller().forget(ears[1]); };

  core.turn();

  CHECK(ears[0].heard == "r ");
  CHECK(ears[1].heard.empty());
  CHECK(ears[2].heard == "r ");
  for (Ear& ear : ears) {
    core.poller().forget(ear);
  }
}

}  // namespace router
