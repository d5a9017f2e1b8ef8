// SPDX-License-Identifier: Apache-2.0
#include "router/worker/poller.hpp"

#include "tests/support/socket.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

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
  void on_peer_end(bool is_lost) override { heard += is_lost ? "lost " : "end "; }

  std::string heard;
  std::function<void()> on_heard = [] {};
};

/// Serves what is ready.
void turn(Poller& poller) {
  poller.wait(std::chrono::milliseconds{0});
  poller.serve();
}

}  // namespace

TEST_CASE("Poller: tells in each turn what is ready of what is watched", "[poller]") {
  Poller poller;
  const Pair pair;
  Ear ear;
  poller.watch(pair.near.get(), ear, true, false);
  turn(poller);
  CHECK(ear.heard.empty());

  pair.send();
  turn(poller);
  turn(poller);
  CHECK(ear.heard == "r r ");

  poller.watch(pair.near.get(), ear, true, true);
  turn(poller);
  CHECK(ear.heard == "r r rw ");

  poller.watch(pair.near.get(), ear, false, true);
  turn(poller);
  CHECK(ear.heard == "r r rw w ");
  poller.forget(ear);
}

TEST_CASE("Poller: what watches for nothing hears nothing, not even of a hang-up", "[poller]") {
  Poller poller;
  Pair pair;
  Ear ear;
  poller.watch(pair.near.get(), ear, true, false);
  poller.watch(pair.near.get(), ear, false, false);
  pair.far = test::Fd{};

  turn(poller);
  turn(poller);
  CHECK(ear.heard.empty());

  poller.watch(pair.near.get(), ear, true, false);
  turn(poller);
  CHECK(ear.heard == "r ");
  poller.forget(ear);
}

TEST_CASE("Poller: a hang-up is told as what is watched for", "[poller]") {
  Poller poller;
  Pair pair;
  Ear ear;
  poller.watch(pair.near.get(), ear, false, true);
  pair.far = test::Fd{};

  turn(poller);

  CHECK(ear.heard == "w ");
  poller.forget(ear);
}

TEST_CASE("Poller: what watches for its peer's end hears of it once, and not of bytes before it",
          "[poller]") {
  Poller poller;
  Pair pair;
  Ear ear;
  const bool was_watched_before = GENERATE(false, true);
  CAPTURE(was_watched_before);
  if (was_watched_before) {
    poller.watch(pair.near.get(), ear, true, false);
  }
  poller.watch_for_end(pair.near.get(), ear);
  pair.send();
  turn(poller);
  pair.send();
  turn(poller);
  CHECK(ear.heard.empty());

  ::shutdown(pair.far.get(), SHUT_WR);
  turn(poller);
  turn(poller);
  CHECK(ear.heard == "end ");

  poller.watch(pair.near.get(), ear, true, false);
  turn(poller);
  CHECK(ear.heard == "end r ");
  poller.watch_for_end(pair.near.get(), ear);
  turn(poller);
  turn(poller);
  CHECK(ear.heard == "end r end ");
  poller.forget(ear);
}

TEST_CASE(
    "Poller: what watches for its peer's end hears once that the connection is lost, if it is",
    "[poller]") {
  Poller poller;
  Pair pair;
  Ear ear;
  poller.watch_for_end(pair.near.get(), ear);
  const bool is_lost = GENERATE(false, true);
  CAPTURE(is_lost);
  if (is_lost) {
    REQUIRE(::write(pair.near.get(), "x", 1) == 1);  // who dies with that unread sends a reset
  }
  pair.far = test::Fd{};

  turn(poller);
  turn(poller);

  CHECK(ear.heard == (is_lost ? "lost " : "end "));
  poller.forget(ear);
}

TEST_CASE("Poller: all that are ready are served in one turn, but for what was forgotten in it",
          "[poller]") {
  Poller poller;
  std::array<Pair, 3> pairs;
  std::array<Ear, 3> ears;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    poller.watch(pairs[i].near.get(), ears[i], true, false);
    pairs[i].send();
  }
  ears[0].on_heard = [&] { poller.forget(ears[1]); };

  turn(poller);

  CHECK(ears[0].heard == "r ");
  CHECK(ears[1].heard.empty());
  CHECK(ears[2].heard == "r ");
  for (Ear& ear : ears) {
    poller.forget(ear);
  }
}

}  // namespace router
