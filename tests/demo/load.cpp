// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/load.hpp"

#include "tests/demo/grpc_caller.hpp"
#include "tests/demo/http_caller.hpp"
#include "tests/demo/json_line.hpp"
#include "tests/demo/signals.hpp"
#include "tests/demo/tally.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

namespace demo {

namespace {

using Clock = std::chrono::steady_clock;

/// The end of a load: by request count, by time, or by a signal. Any thread.
class Budget {
 public:
  explicit Budget(std::uint64_t requests) : requests_{requests} {}

  /// Whether one more call may begin.
  [[nodiscard]] bool take() {
    return !stopped_ && (requests_ == 0 || taken_.fetch_add(1) < requests_);
  }
  void stop() {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    changed_.notify_all();
  }
  /// Sleeps until `at`; false if the end came first.
  [[nodiscard]] bool sleep_until(Clock::time_point at) {
    std::unique_lock lock{mutex_};
    return !changed_.wait_until(lock, at, [this] { return stopped_.load(); });
  }

 private:
  const std::uint64_t requests_;
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// The beat of one caller, kept by all of its threads together: whoever is free takes the next
/// beat. Beats that nobody was free for are left out, so that a stall is not followed by a burst.
class Pacer {
 public:
  explicit Pacer(Clock::duration every) : every_{every}, next_{Clock::now()} {}

  [[nodiscard]] Clock::time_point next() {
    const std::lock_guard lock{mutex_};
    const Clock::time_point now = Clock::now();
    const Clock::time_point beat = std::max(next_, now);
    next_ = beat + every_;
    return beat;
  }

 private:
  const Clock::duration every_;
  std::mutex mutex_;
  Clock::time_point next_;
};

class Load {
 public:
  explicit Load(const LoadOptions& options) : options_{options}, budget_{options.requests} {
    for (const auto& [operation, target] : options.targets) {
      operations_.push_back(operation);
    }
    if (options.protocol == Protocol::grpc) {
      shared_ = make_grpc_caller(options.targets);
    }
  }

  void start() {
    for (unsigned caller = 0; caller < options_.callers; ++caller) {
      Pacer& pacer = *pacers_.emplace_back(std::make_unique<Pacer>(options_.every));
      for (unsigned i = 0; i < options_.concurrency; ++i) {
        const auto seed = options_.seed + static_cast<unsigned>(threads_.size());
        ++running_;
        threads_.emplace_back([this, &pacer, seed] { work(pacer, seed); });
      }
    }
  }

  void stop() { budget_.stop(); }
  [[nodiscard]] bool is_running() const { return running_ > 0; }
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  void work(Pacer& pacer, unsigned seed) {
    std::mt19937 rng{seed};
    std::uniform_int_distribution<std::size_t> any{0, operations_.size() - 1};
    // HTTP/1.1 carries one call at a time, so each thread has connections of its own.
    const std::unique_ptr<Caller> own = shared_ ? nullptr : make_http_caller(options_.targets);
    Caller& caller = shared_ ? *shared_ : *own;
    while (budget_.sleep_until(pacer.next()) && budget_.take()) {
      const Operation operation = operations_[any(rng)];
      const Operands operands = draw_operands(rng);
      const Clock::time_point began = Clock::now();
      const CallOutcome outcome = caller.call(operation, operands);
      tally_.record(operation, operands, outcome, Clock::now() - began);
    }
    --running_;
  }

  const LoadOptions& options_;
  Budget budget_;
  Tally tally_;
  std::vector<Operation> operations_;
  std::unique_ptr<Caller> shared_;
  std::vector<std::unique_ptr<Pacer>> pacers_;
  std::vector<std::thread> threads_;
  std::atomic<unsigned> running_{0};
};

void print_progress(const Load& load, Clock::duration elapsed) {
  nlohmann::json line = load.tally().progress();
  line["event"] = "progress";
  line["elapsed_s"] = std::chrono::duration<double>(elapsed).count();
  print_line(line);
}

}  // namespace

int run_load(const LoadOptions& options) {
  constexpr std::chrono::milliseconds kLook{20};  // how soon the end of all requests is noticed
  Signals signals;
  Load load{options};
  const Clock::time_point began = Clock::now();
  Clock::time_point progress_at = began + std::chrono::seconds{1};
  load.start();
  while (load.is_running() && !signals.wait(kLook)) {
    const Clock::time_point now = Clock::now();
    if (options.duration.count() > 0 && now >= began + options.duration) {
      break;
    }
    if (options.progress && now >= progress_at) {
      print_progress(load, now - began);
      progress_at += std::chrono::seconds{1};
    }
  }
  load.stop();
  load.join();

  nlohmann::json line = load.tally().summary();
  line["event"] = "done";
  line["elapsed_s"] = std::chrono::duration<double>(Clock::now() - began).count();
  print_line(line);
  return line["calls"] > 0 && load.tally().failed() == 0 ? 0 : 1;
}

}  // namespace demo
