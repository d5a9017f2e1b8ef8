// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"
#include "balancer/peak_ewma.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <vector>

namespace test {

using balancer::Nanoseconds;
using balancer::Rng;
using balancer::TimePoint;

/// A policy of one router: chooses among that router's candidates.
using Pick =
    std::function<std::size_t(const std::vector<balancer::Candidate>&, TimePoint now, Rng&)>;

/// How the pods of a simulated Service behave, and who calls them. Times are since the start.
struct Scenario {
  std::size_t n_pods = 5;
  std::size_t n_routers = 1;         ///< each with its own policy's state and independent callers
  double requests_per_second = 500;  ///< through each router
  Nanoseconds duration = std::chrono::seconds{10};
  std::size_t n_threads = 0;  ///< of each pod, in front of which requests queue; 0: as many as come
  /// How long a pod works on a request that it begins at that time.
  std::function<Nanoseconds(std::size_t pod, Nanoseconds at, Rng&)> work;
  std::optional<Nanoseconds> deadline{};               ///< callers give up after so long
  std::size_t failing = static_cast<std::size_t>(-1);  ///< this pod fails
  double failing_share = 1;                            ///< in so many of its replies
  Nanoseconds count_from{};                            ///< what begins before it is warm-up
  Nanoseconds count_until = Nanoseconds::max();
  std::vector<double> weights{};  ///< by pod; empty: all weigh the same
};

/// What came of it, of the requests that are counted.
struct Outcome {
  std::vector<double> shares;           ///< requests by pod, as a multiple of an even share
  std::vector<std::uint64_t> requests;  ///< by pod
  /// The same of each half second from the first that is counted.
  std::vector<std::vector<std::uint64_t>> requests_by_half_second;
  std::vector<Nanoseconds> latencies;  ///< sorted; of the requests that failed, until they did
  std::uint64_t failed = 0;            ///< deadlines and failures
  std::uint64_t in_flight_at_end = 0;  ///< once all have ended, by the routers' own account
  [[nodiscard]] Nanoseconds percentile(double percent) const;
};

/// Runs a Service in simulated time: an event for each arrival, each end of work and each deadline.
/// The same seed gives the same outcome.
class Simulation {
 public:
  /// `make_pick` makes the policy of one router.
  Simulation(const Scenario& scenario, const std::function<Pick()>& make_pick, std::uint32_t seed);
  [[nodiscard]] Outcome run();

 private:
  struct Request {
    std::size_t router;
    std::size_t pod;
    Nanoseconds began_at;
    bool is_over = false;  ///< for its caller
  };
  enum class Kind : std::uint8_t { arrival, end_of_work, deadline };
  struct Event {
    Nanoseconds at;
    std::uint64_t number;  ///< of events at the same time the earlier made is the earlier
    Kind kind;
    std::size_t subject;  ///< router of an arrival, else request
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };
  struct Router {
    std::vector<balancer::PeakEwma> latencies;
    std::vector<balancer::Candidate> candidates;
    Pick pick;
  };
  struct Pod {
    std::size_t n_busy = 0;
    std::deque<std::size_t> queue;  ///< requests that no thread has taken
  };

  void plan(Nanoseconds at, Kind kind, std::size_t subject);
  void plan_arrival(std::size_t router, Nanoseconds after);
  void on_arrival(std::size_t router);
  void on_end_of_work(std::size_t request);
  void begin_work(std::size_t request);
  void end(std::size_t request, bool is_failure);

  const Scenario& scenario_;
  Rng rng_;
  Nanoseconds now_{};
  std::uint64_t n_events_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<Router> routers_;
  std::vector<Pod> pods_;
  std::vector<Request> requests_;
  Outcome outcome_;
};

/// The default policy, as the router runs it.
[[nodiscard]] Pick make_peak_ewma();
[[nodiscard]] Pick make_least_request();
[[nodiscard]] Pick make_round_robin();
[[nodiscard]] Pick make_random();
/// Each request has a key of its own.
[[nodiscard]] Pick make_ring_hash();
[[nodiscard]] Pick make_maglev();

}  // namespace test
