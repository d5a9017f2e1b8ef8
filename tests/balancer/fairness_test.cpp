// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <queue>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Nanoseconds;
using balancer::PeakEwma;
using balancer::TimePoint;

namespace {

/// Reply time of one request: of which endpoint, when, and with what luck.
using ReplyTime = Nanoseconds (*)(std::size_t, Nanoseconds, balancer::Rng&);

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

struct Scenario {
  std::size_t n_endpoints = 3;
  double requests_per_second = 500;
  Nanoseconds duration = 10s;
  ReplyTime reply_time = nullptr;
  int first_takes_times = 1;    ///< endpoint 0 takes so many times as long as the others
  Nanoseconds slower_since{};   ///< from then on
  std::size_t failing = kNone;  ///< endpoint whose replies are all failures
  Nanoseconds count_from{};     ///< requests before it are warm-up
};

struct Reply {
  TimePoint at;
  std::size_t endpoint;
  Nanoseconds rtt;
  bool operator>(const Reply& other) const { return at > other.at; }
};

/// One worker's endpoints under load from independent clients, in simulated time.
class Simulation {
 public:
  Simulation(const Scenario& scenario, unsigned seed)
      : scenario_{scenario}, rng_{seed}, latencies_(scenario.n_endpoints, PeakEwma{10s}) {
    for (const PeakEwma& latency : latencies_) {
      candidates_.push_back({.latency = &latency, .in_flight = 0});
    }
  }

  /// Each endpoint's requests as a multiple of an even share.
  std::vector<double> run() {
    std::vector<double> counts(scenario_.n_endpoints);
    std::exponential_distribution<double> gap_s{scenario_.requests_per_second};
    for (Nanoseconds at{}; at < scenario_.duration;
         at +=
         std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>{gap_s(rng_)})) {
      deliver_until(TimePoint{at});
      const std::size_t chosen = send(at);
      counts[chosen] += at >= scenario_.count_from ? 1 : 0;
    }
    const double even =
        std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
    for (double& count : counts) {
      count /= even;
    }
    return counts;
  }

 private:
  std::size_t send(Nanoseconds at) {
    const TimePoint now{at};
    const auto chosen =
        balancer::pick_peak_ewma({candidates_}, now, balancer::typical_rtt(candidates_, now), rng_)
            .value();
    const bool is_slower = chosen == 0 && at >= scenario_.slower_since;
    const Nanoseconds rtt =
        scenario_.reply_time(chosen, at, rng_) * (is_slower ? scenario_.first_takes_times : 1);
    ++candidates_[chosen].in_flight;
    replies_.push({.at = now + rtt, .endpoint = chosen, .rtt = rtt});
    return chosen;
  }

  void deliver_until(TimePoint now) {
    while (!replies_.empty() && replies_.top().at <= now) {
      const Reply reply = replies_.top();
      replies_.pop();
      --candidates_[reply.endpoint].in_flight;
      if (reply.endpoint == scenario_.failing) {
        latencies_[reply.endpoint].observe_failure(reply.rtt, reply.at);
      } else {
        latencies_[reply.endpoint].observe(reply.rtt, reply.at);
      }
    }
  }

  const Scenario& scenario_;
  balancer::Rng rng_;
  std::vector<PeakEwma> latencies_;
  std::vector<balancer::Candidate> candidates_;
  std::priority_queue<Reply, std::vector<Reply>, std::greater<>> replies_;
};

double uniform(balancer::Rng& rng, double low, double high) {
  return std::uniform_real_distribution<double>{low, high}(rng);
}

Nanoseconds from_ms(double milliseconds) {
  return std::chrono::duration_cast<Nanoseconds>(
      std::chrono::duration<double, std::milli>{milliseconds});
}

/// About 1 ms, but one in five hundred replies takes 20 ms.
Nanoseconds with_strays(std::size_t /*endpoint*/, Nanoseconds /*at*/, balancer::Rng& rng) {
  return uniform(rng, 0, 1) < 0.002 ? 20ms : from_ms(uniform(rng, 0.7, 1.3));
}

/// 1 ms in the mean, exponentially distributed: a busy server's queue.
Nanoseconds exponential(std::size_t /*endpoint*/, Nanoseconds /*at*/, balancer::Rng& rng) {
  return from_ms(std::exponential_distribution<double>{1}(rng));
}

}  // namespace

TEST_CASE("fairness: equal endpoints with stray slow replies get even shares",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 11U));
  const std::size_t n_endpoints = GENERATE(2U, 3U, 10U, 50U);
  CAPTURE(seed, n_endpoints);
  const Scenario scenario{.n_endpoints = n_endpoints, .reply_time = with_strays};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(*std::min_element(shares.begin(), shares.end()) >= 0.7);
  CHECK(*std::max_element(shares.begin(), shares.end()) <= 1.4);
}

TEST_CASE("fairness: equal endpoints stay even at any rate", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 4U));
  const double rate = GENERATE(50.0, 5000.0);
  CAPTURE(seed, rate);
  const Scenario scenario{.requests_per_second = rate, .reply_time = with_strays};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(*std::min_element(shares.begin(), shares.end()) >= 0.7);
  CHECK(*std::max_element(shares.begin(), shares.end()) <= 1.4);
}

TEST_CASE("fairness: widely varying reply times do not starve equal endpoints",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  const Scenario scenario{.reply_time = exponential};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(*std::min_element(shares.begin(), shares.end()) >= 0.7);
  CHECK(*std::max_element(shares.begin(), shares.end()) <= 1.4);
}

TEST_CASE("fairness: an endpoint whose first replies were slow is not left out",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  const Scenario scenario{
      .reply_time = [](std::size_t endpoint, Nanoseconds at, balancer::Rng& rng) {
        return endpoint == 0 && at < 500ms ? 20ms : with_strays(endpoint, at, rng);
      }};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(shares[0] >= 0.7);
}

TEST_CASE("fairness: an endpoint that stalled for 100 ms now and then keeps its share",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  const Scenario scenario{
      .reply_time = [](std::size_t endpoint, Nanoseconds at, balancer::Rng& rng) {
        const Nanoseconds phase = at % 3s;
        const Nanoseconds stall = phase < 100ms && at > 1s ? 100ms - phase : 0ms;
        return with_strays(endpoint, at, rng) + (endpoint == 0 ? stall : 0ms);
      }};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(shares[0] >= 0.7);
}

TEST_CASE("fairness: an endpoint ten times slower gets far less", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 21U));
  const std::size_t n_endpoints = GENERATE(2U, 3U);
  CAPTURE(seed, n_endpoints);
  const Scenario scenario{
      .n_endpoints = n_endpoints, .reply_time = with_strays, .first_takes_times = 10};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(shares[0] <= 0.1);
}

TEST_CASE("fairness: an endpoint that turns a hundred times slower is left within the second",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  const Scenario scenario{.duration = 6s,
                          .reply_time = with_strays,
                          .first_takes_times = 100,
                          .slower_since = 5s,
                          .count_from = 5s};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(shares[0] <= 0.2);
}

TEST_CASE("fairness: an endpoint that fails at once gets next to nothing", "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  const Scenario scenario{.reply_time = with_strays, .failing = 0};

  const auto shares = Simulation{scenario, seed}.run();

  CHECK(shares[0] <= 0.05);
}
