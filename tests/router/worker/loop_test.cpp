// SPDX-License-Identifier: Apache-2.0
#include "router/worker/loop.hpp"

#include "router/telemetry/metrics.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace router {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Output final : public Flushable {
  void flush() override { ++n_flushes; }

  int n_flushes = 0;
};

struct Core {
  void turn() { loop.turn(milliseconds{0}); }

  telemetry::CoreMetrics metrics;
  Loop loop{metrics};
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

/// Something whose time comes.
struct Alarm {
  void on_due() { ++n_rings; }

  int n_rings = 0;
  Timer timer{on_timer<&Alarm::on_due>, this};
};

}  // namespace

TEST_CASE("Loop: what a turn has caused is written once, at its end", "[loop]") {
  Core core;
  Output output;
  core.loop.in_next_turn([&] {
    core.loop.flush_later(output);
    core.loop.flush_later(output);
    CHECK(output.n_flushes == 0);
  });

  core.turn();
  CHECK(output.n_flushes == 1);
  core.turn();
  CHECK(output.n_flushes == 1);
}

TEST_CASE("Loop: it does not wait while there is something to do", "[loop]") {
  Core core;
  int n_done = 0;
  Output output;
  const auto wait_long = [&core] { core.loop.turn(std::chrono::hours{1}); };

  SECTION("what was asked for outside of a turn is written") {
    core.loop.flush_later(output);
    wait_long();
    CHECK(output.n_flushes == 1);
  }
  SECTION("a task of the next turn is run") {
    core.loop.in_next_turn([&] { ++n_done; });
    wait_long();
    CHECK(n_done == 1);
  }
  SECTION("what is handed over while the dead are destroyed is destroyed in the next turn") {
    int n_alive = 0;
    core.loop.destroy_later(std::make_unique<Chain>(core.loop, n_alive, true));
    wait_long();
    CHECK(n_alive == 1);
    wait_long();
    CHECK(n_alive == 0);
  }
  SECTION("what another thread has posted is run") {
    std::thread other{[&] { core.loop.post([&] { ++n_done; }); }};
    wait_long();
    CHECK(n_done == 1);
    other.join();
  }
}

TEST_CASE("Loop: a timer fires when its time has come, not before", "[loop]") {
  Core core;
  Alarm alarm;
  const auto due = steady_clock::now() + milliseconds{20};
  core.loop.arm(alarm.timer, due);
  Alarm later;
  core.loop.arm(later.timer, due + std::chrono::hours{1});

  while (alarm.n_rings == 0) {
    core.loop.turn(milliseconds::max());
  }

  CHECK(steady_clock::now() >= due);
  CHECK(core.loop.now() >= due);
  CHECK(later.n_rings == 0);
}

TEST_CASE("Loop: posts of many threads are run in the order of each, until it is stopped",
          "[loop]") {
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  Core core;
  std::vector<std::vector<int>> run(kThreads);
  std::atomic<int> n_posting{kThreads};
  std::vector<std::thread> threads;
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < kEach; ++i) {
        core.loop.post([&run, id, i] { run[static_cast<std::size_t>(id)].push_back(i); });
      }
      if (--n_posting == 0) {
        core.loop.stop();
      }
    });
  }

  core.loop.run();

  for (std::thread& thread : threads) {
    thread.join();
  }
  std::vector<int> in_order(kEach);
  for (int i = 0; i < kEach; ++i) {
    in_order[static_cast<std::size_t>(i)] = i;
  }
  for (const std::vector<int>& of_one : run) {
    CHECK(of_one == in_order);
  }
}

TEST_CASE("Loop: what was posted and never run is dropped with it", "[loop]") {
  const auto held = std::make_shared<std::string>("held");
  {
    Core core;
    core.loop.post([held] {});
    core.loop.post([held] {});
    CHECK(held.use_count() == 3);
  }
  CHECK(held.use_count() == 1);
}

}  // namespace router
