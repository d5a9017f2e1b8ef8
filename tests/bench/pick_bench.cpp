// SPDX-License-Identifier: Apache-2.0
// What the choice of an endpoint costs: a JSON line for each policy and number of endpoints.
// usage: bench_pick [MILLISECONDS for each figure]
#include "balancer/peak_ewma_policy.hpp"
#include "balancer/round_robin.hpp"
#include "router/cluster/cluster.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <fmt/core.h>

namespace {

using router::BalancerKind;

constexpr std::array kEndpoints{2, 5, 20, 100, 1000};
constexpr auto kTypicalRtt = std::chrono::milliseconds{1};
constexpr std::uint32_t kSeed = 1;
constexpr int kAttemptsPerTurn = 16;  // of the loop: what one read brings under load
constexpr int kBatch = 1024;  // between two looks at the clock, so that its cost does not count

/// Time of this thread alone: what else the machine does does not count.
std::chrono::nanoseconds cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

volatile std::size_t sink;  // keeps the compiler from leaving out what nobody uses

/// Repeats `step` for about `duration`, and returns the nanoseconds of one time.
template <class Step>
double time_of(std::chrono::nanoseconds duration, Step step) {
  const std::chrono::nanoseconds began_at = cpu_time();
  std::chrono::nanoseconds ended_at{0};
  std::uint64_t times = 0;
  do {
    for (int i = 0; i < kBatch; ++i) {
      step();
    }
    times += kBatch;
    ended_at = cpu_time();
  } while (ended_at - began_at < duration);
  return std::chrono::duration<double, std::nano>(ended_at - began_at).count() /
         static_cast<double>(times);
}

/// Reply times that differ as those of equal pods do: within a fifth.
std::chrono::nanoseconds some_rtt(balancer::Rng& rng) {
  const auto typical = std::chrono::nanoseconds{kTypicalRtt};
  return typical + std::chrono::nanoseconds{static_cast<std::int64_t>(
                       rng() % static_cast<std::uint64_t>(typical.count() / 5))};
}

/// `PeakEwmaPolicy::pick` over endpoints that have all been measured.
double time_of_peak_ewma(int n_endpoints, std::chrono::nanoseconds duration) {
  balancer::Rng rng{kSeed};
  const balancer::TimePoint now = balancer::TimePoint::clock::now();
  std::vector<balancer::PeakEwma> latencies;
  for (int i = 0; i < n_endpoints; ++i) {
    latencies.emplace_back(std::chrono::seconds{10});
    latencies.back().observe(some_rtt(rng), now);
  }
  std::vector<balancer::Candidate> candidates;
  candidates.reserve(latencies.size());
  for (const balancer::PeakEwma& latency : latencies) {
    candidates.push_back({.latency = &latency, .in_flight = static_cast<std::uint32_t>(rng() % 4)});
  }
  balancer::PeakEwmaPolicy policy;
  return time_of(duration, [&] { sink = *policy.pick({candidates}, now, rng); });
}

double time_of_round_robin(int n_endpoints, std::chrono::nanoseconds duration) {
  std::vector<balancer::Candidate> candidates(static_cast<std::size_t>(n_endpoints));
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    candidates[i].id = i;
  }
  balancer::RoundRobin round_robin;
  round_robin.adopt(candidates);
  return time_of(duration, [&] { sink = *round_robin.pick({candidates}); });
}

/// Never asked: endpoints connect when their pool is used, and here no request is sent.
class NoConnections final : public router::ConnectionFactory {
 public:
  std::unique_ptr<router::UpstreamConnection> connect(
      const router::ConnectOptions& /*options*/,
      router::UpstreamConnectionEvents& /*events*/) override {
    std::abort();
  }
};

router::ServicePort port_with(int n_endpoints, BalancerKind policy) {
  router::ServicePort port;
  port.policy.balancer = policy;
  for (int i = 0; i < n_endpoints; ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    const boost::asio::ip::address_v4 address{0x0a000000U + number};
    port.endpoints.push_back({.address = {address, 80}, .pod = fmt::format("pod-{}", i)});
  }
  return port;
}

/// What the router does for each attempt: gather the candidates, choose, and tell how it ended.
double time_of_cluster(int n_endpoints, BalancerKind policy, std::chrono::nanoseconds duration) {
  router::telemetry::CoreMetrics core_metrics;
  router::telemetry::ServiceMetrics& service_metrics =
      core_metrics.add_service("bench", "echo", "80");
  router::Loop loop{core_metrics};
  NoConnections connections;
  const router::UnreachableListener nobody;
  const router::PoolContext context{loop, connections, service_metrics, nobody};
  router::SharedPort shared{1};
  router::Cluster cluster{context, port_with(n_endpoints, policy), shared, kSeed};
  balancer::Rng rng{kSeed};
  int n_attempts = 0;
  const auto attempt = [&] {
    if (++n_attempts % kAttemptsPerTurn == 0) {
      loop.turn({});  // else no time would pass, and no estimate would ever move
    }
    router::ClusterEndpoint* const chosen = cluster.acquire({}, std::nullopt);
    cluster.release(*chosen, {.kind = router::AttemptOutcome::Kind::reply, .took = some_rtt(rng)});
  };
  for (int i = 0; i < 20 * n_endpoints; ++i) {  // until all are measured: the steady state
    attempt();
  }
  return time_of(duration, attempt);
}

void print(const char* what, const char* policy, int n_endpoints, double ns) {
  fmt::print(R"({{"what":"{}","policy":"{}","endpoints":{},"ns":{:.2f}}})"
             "\n",
             what,
             policy,
             n_endpoints,
             ns);
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::milliseconds duration{argc > 1 ? std::atoi(argv[1]) : 100};
  for (const int n : kEndpoints) {
    print("pick", "peak_ewma", n, time_of_peak_ewma(n, duration));
    print("pick", "round_robin", n, time_of_round_robin(n, duration));
    print("attempt", "peak_ewma", n, time_of_cluster(n, BalancerKind::peak_ewma, duration));
    print("attempt", "round_robin", n, time_of_cluster(n, BalancerKind::round_robin, duration));
  }
  return 0;
}
