// SPDX-License-Identifier: Apache-2.0
#include "router/worker/loop.hpp"

#include "router/telemetry/metrics.hpp"

#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

namespace router {
namespace {

struct Output final : public Flushable {
  void flush() override { ++n_flushes; }

  int n_flushes = 0;
};

struct Core {
  boost::asio::io_context io;
  telemetry::CoreMetrics metrics;
  Loop loop{io, metrics};
};

/// Hands another one over when it is destroyed.
class Chain final : public Disposable {
 public:
  Chain(Loop& loop, int& n_alive, bool has_next) : loop_{loop}, n_alive_{n_alive} {
    ++n_alive_;
    if (has_next) {
      next_ = std::make_unique<Chain>(loop, n_alive, false);
    }
  }
  ~Chain() override {
    --n_alive_;
    if (next_) {
      loop_.destroy_later(std::move(next_));
    }
  }

 private:
  Loop& loop_;
  int& n_alive_;
  std::unique_ptr<Chain> next_;
};

}  // namespace

TEST_CASE("Loop: what a turn has caused is written once, right after its handlers", "[loop]") {
  Core core;
  Output output;

  core.loop.run_turn([&] {
    core.loop.flush_later(output);
    core.loop.flush_later(output);
    CHECK(output.n_flushes == 0);
  });

  CHECK(output.n_flushes == 1);
  core.io.poll();
  CHECK(output.n_flushes == 1);
}

TEST_CASE(
    "Loop: what comes outside of a turn of the poller is written behind the handlers that are "
    "ready, or at the end of the next one",
    "[loop]") {
  Core core;
  Output output;
  core.loop.begin_turn();
  core.loop.flush_later(output);
  CHECK(output.n_flushes == 0);

  SECTION("behind the handlers that are ready") {
    core.io.poll();
    CHECK(output.n_flushes == 1);
  }
  SECTION("at the end of the next turn") {
    core.loop.run_turn([] {});
    CHECK(output.n_flushes == 1);
    core.io.poll();
    CHECK(output.n_flushes == 1);
  }
}

TEST_CASE("Loop: what is handed over while the dead are destroyed waits for the next turn",
          "[loop]") {
  Core core;
  int n_alive = 0;

  core.loop.run_turn(
      [&] { core.loop.destroy_later(std::make_unique<Chain>(core.loop, n_alive, true)); });

  CHECK(n_alive == 1);
  core.io.restart();
  core.io.poll();
  CHECK(n_alive == 0);
}

}  // namespace router
