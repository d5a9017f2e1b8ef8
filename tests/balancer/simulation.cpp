// SPDX-License-Identifier: Apache-2.0
#include "tests/balancer/simulation.hpp"

#include "balancer/least_request.hpp"
#include "balancer/load_bound.hpp"
#include "balancer/maglev.hpp"
#include "balancer/peak_ewma_policy.hpp"
#include "balancer/ring_hash.hpp"
#include "balancer/round_robin.hpp"
#include "balancer/stable_hash.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>

using namespace std::chrono_literals;

namespace test {
namespace {

constexpr std::chrono::seconds kDecay{10};                 // the default
constexpr balancer::LoadBound kLoadBound{.percent = 125};  // likewise

/// With the weights of now, which may have changed.
class Weights {
 public:
  [[nodiscard]] balancer::Selection of(const std::vector<balancer::Candidate>& candidates) {
    balancer::sum_up_weights(candidates, sums_);
    return {.candidates = candidates, .weight_sums = sums_};
  }

 private:
  std::vector<double> sums_;
};

template <class HashPolicy>
Pick make_hash_policy() {
  return [policy = HashPolicy{}, is_new = true](
             const auto& candidates, TimePoint /*now*/, Rng& rng) mutable {
    if (std::exchange(is_new, false)) {
      policy.adopt(candidates);
    }
    balancer::LoadBound::Load load;
    for (const balancer::Candidate& candidate : candidates) {
      load.fixed_weight += candidate.fixed_weight;
      load.in_flight += candidate.in_flight;
    }
    const balancer::Selection selection{candidates};
    return policy
        .pick(selection, balancer::scatter(rng()), kLoadBound.most_in_flight(selection, load))
        .value();
  };
}

}  // namespace

Nanoseconds Outcome::percentile(double percent) const {
  const auto last = static_cast<double>(latencies.size() - 1);
  return latencies.at(static_cast<std::size_t>(last * percent / 100));
}

Simulation::Simulation(const Scenario& scenario,
                       const std::function<Pick()>& make_pick,
                       std::uint32_t seed)
    : scenario_{scenario}, rng_{seed}, pods_(scenario.n_pods) {
  outcome_.requests.resize(scenario.n_pods);
  for (std::size_t i = 0; i < scenario.n_routers; ++i) {
    Router& router = routers_.emplace_back();
    router.latencies.assign(scenario.n_pods, balancer::PeakEwma{kDecay});
    router.pick = make_pick();
    for (std::size_t pod = 0; pod < scenario.n_pods; ++pod) {
      const double weight = scenario.weights.empty() ? 1 : scenario.weights.at(pod);
      router.candidates.push_back({.id = pod,
                                   .hash = balancer::scatter(pod + 1),
                                   .weight = weight,
                                   .fixed_weight = weight});
    }
  }
  for (Router& router : routers_) {  // which do not move any more
    for (std::size_t pod = 0; pod < scenario.n_pods; ++pod) {
      router.candidates[pod].latency = &router.latencies[pod];
    }
  }
}

Outcome Simulation::run() {
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    plan_arrival(i, Nanoseconds{0});
  }
  while (!events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    switch (event.kind) {
      case Kind::arrival:
        on_arrival(event.subject);
        break;
      case Kind::end_of_work:
        on_end_of_work(event.subject);
        break;
      case Kind::deadline:
        if (!requests_[event.subject].is_over) {
          end(event.subject, true);
        }
        break;
    }
  }
  const auto sum = static_cast<double>(
      std::accumulate(outcome_.requests.begin(), outcome_.requests.end(), std::uint64_t{0}));
  for (const std::uint64_t n_requests : outcome_.requests) {
    outcome_.shares.push_back(static_cast<double>(n_requests * scenario_.n_pods) / sum);
  }
  for (const Router& router : routers_) {
    for (const balancer::Candidate& candidate : router.candidates) {
      outcome_.in_flight_at_end += candidate.in_flight;
    }
  }
  std::sort(outcome_.latencies.begin(), outcome_.latencies.end());
  return std::move(outcome_);
}

void Simulation::plan(Nanoseconds at, Kind kind, std::size_t subject) {
  events_.push({.at = at, .number = n_events_++, .kind = kind, .subject = subject});
}

void Simulation::plan_arrival(std::size_t router, Nanoseconds after) {
  std::exponential_distribution<double> gap_s{scenario_.requests_per_second};
  const auto at =
      after + std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>{gap_s(rng_)});
  if (at < scenario_.duration) {
    plan(at, Kind::arrival, router);
  }
}

void Simulation::on_arrival(std::size_t router) {
  plan_arrival(router, now_);
  Router& by = routers_[router];
  const std::size_t pod = by.pick(by.candidates, TimePoint{now_}, rng_);
  ++by.candidates[pod].in_flight;
  const std::size_t request = requests_.size();
  requests_.push_back({.router = router, .pod = pod, .began_at = now_});
  if (scenario_.deadline) {
    plan(now_ + *scenario_.deadline, Kind::deadline, request);
  }
  if (scenario_.n_threads == 0 || pods_[pod].n_busy < scenario_.n_threads) {
    begin_work(request);
  } else {
    pods_[pod].queue.push_back(request);
  }
}

void Simulation::begin_work(std::size_t request) {
  const std::size_t pod = requests_[request].pod;
  ++pods_[pod].n_busy;
  plan(now_ + scenario_.work(pod, now_, rng_), Kind::end_of_work, request);
}

void Simulation::on_end_of_work(std::size_t request) {
  Pod& pod = pods_[requests_[request].pod];
  --pod.n_busy;
  if (!requests_[request].is_over) {
    end(request,
        requests_[request].pod == scenario_.failing &&
            std::bernoulli_distribution{scenario_.failing_share}(rng_));
  }
  // A pod does not begin what its caller has cancelled meanwhile.
  while (!pod.queue.empty() && requests_[pod.queue.front()].is_over) {
    pod.queue.pop_front();
  }
  if (!pod.queue.empty()) {
    const std::size_t next = pod.queue.front();
    pod.queue.pop_front();
    begin_work(next);
  }
}

void Simulation::end(std::size_t request, bool is_failure) {
  Request& ended = requests_[request];
  ended.is_over = true;
  Router& router = routers_[ended.router];
  --router.candidates[ended.pod].in_flight;
  const Nanoseconds took = now_ - ended.began_at;
  if (is_failure) {
    router.latencies[ended.pod].observe_failure(took, TimePoint{now_});
  } else {
    router.latencies[ended.pod].observe(took, TimePoint{now_});
  }
  if (ended.began_at >= scenario_.count_from && ended.began_at < scenario_.count_until) {
    ++outcome_.requests[ended.pod];
    const auto bin = static_cast<std::size_t>((ended.began_at - scenario_.count_from) / 500ms);
    auto& bins = outcome_.requests_by_half_second;
    if (bins.size() <= bin) {
      bins.resize(bin + 1, std::vector<std::uint64_t>(scenario_.n_pods));
    }
    ++bins[bin][ended.pod];
    outcome_.latencies.push_back(took);
    outcome_.failed += is_failure ? 1 : 0;
  }
}

Pick make_peak_ewma() {
  return [policy = balancer::PeakEwmaPolicy{}, weights = Weights{}](
             const auto& candidates, TimePoint now, Rng& rng) mutable {
    return policy.pick(weights.of(candidates), now, rng).value();
  };
}

Pick make_least_request() {
  return [weights = Weights{}](const auto& candidates, TimePoint /*now*/, Rng& rng) mutable {
    return balancer::pick_least_request(weights.of(candidates), rng).value();
  };
}

Pick make_round_robin() {
  return [turns = balancer::RoundRobin{}, is_new = true](
             const auto& candidates, TimePoint /*now*/, Rng& /*rng*/) mutable {
    if (std::exchange(is_new, false)) {
      turns.adopt(candidates);
    }
    return turns.pick({candidates}).value();
  };
}

Pick make_random() {
  return [weights = Weights{}](const auto& candidates, TimePoint /*now*/, Rng& rng) mutable {
    return balancer::draw_one(weights.of(candidates), rng).value();
  };
}

Pick make_ring_hash() {
  return make_hash_policy<balancer::RingHash>();
}

Pick make_maglev() {
  return make_hash_policy<balancer::Maglev>();
}

}  // namespace test
