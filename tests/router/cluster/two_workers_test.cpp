// SPDX-License-Identifier: Apache-2.0
// What the workers of a process share about the endpoints of one Service port.
#include "tests/router/cluster/worker.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::AttemptOutcome;
using test::address_of;
using test::Worker;

namespace {

constexpr std::size_t kEndpoints = 4;

/// `policy` with as many endpoints, each of them in turn.
router::ServicePort port_with(router::Policy policy, std::size_t n_endpoints = kEndpoints) {
  router::ServicePort port;
  port.policy = std::move(policy);
  port.policy.balancer = router::BalancerKind::round_robin;
  for (std::size_t i = 0; i < n_endpoints; ++i) {
    port.endpoints.push_back({.address = address_of(i), .pod = "pod-" + std::to_string(i)});
  }
  return port;
}

/// Penalties that last for as long as the test.
router::Policy patient() {
  router::Policy policy;
  policy.ejection.min_penalty = 1h;
  policy.ejection.max_penalty = 1h;
  return policy;
}

/// Two workers of one process.
struct TwoWorkers {
  explicit TwoWorkers(const router::Policy& policy)
      : one{port_with(policy), shared}, other{port_with(policy), shared} {}

  router::SharedPort shared{1};
  Worker one;
  Worker other;
};

/// A request that waits for room, and takes it when there is some.
class Waiting final : public router::EndpointWaiter {
 public:
  Waiting(Worker& worker, router::TimePoint until) : worker_{worker}, until_{until} { wait(); }
  void on_new_endpoints() override {
    endpoint = worker_.begin();
    if (endpoint == nullptr) {
      wait();
    }
  }

  router::ClusterEndpoint* endpoint = nullptr;  ///< once it has room

 private:
  void wait() {
    REQUIRE(worker_.cluster.is_full());
    worker_.cluster.wait_for_room(*this, {.until = until_});
  }

  Worker& worker_;
  router::TimePoint until_;
};

/// A request of that caller that waits until it is crowded out.
class Queued final : public router::QueuedRequest {
 public:
  Queued(Worker& worker, const void* caller) : worker_{worker} {
    worker_.cluster.queue().enter(*this, {.caller = caller});
  }
  ~Queued() { worker_.cluster.queue().leave(*this); }
  Queued(const Queued&) = delete;
  Queued& operator=(const Queued&) = delete;
  void on_crowded_out() override { worker_.cluster.queue().leave(*this); }
  [[nodiscard]] bool waits() const { return is_linked(); }

 private:
  Worker& worker_;
};

/// How many of them still wait.
std::ptrdiff_t n_waiting(const std::deque<Queued>& requests) {
  return std::count_if(
      requests.begin(), requests.end(), [](const Queued& each) { return each.waits(); });
}

router::Policy with_queue(std::uint32_t n_requests) {
  router::Policy policy;
  policy.queue_requests = n_requests;
  return policy;
}

constexpr router::TimePoint kUntil{std::chrono::hours{1'000'000}};

router::Policy with_limit(std::uint32_t limit, std::uint32_t per_endpoint = 0) {
  router::Policy policy;
  policy.concurrency_limit = limit;
  policy.endpoint_limit = per_endpoint;
  return policy;
}

/// So many requests on each worker in turn, as far as there is room.
std::vector<router::ClusterEndpoint*> fill(TwoWorkers& workers, int n_each) {
  std::vector<router::ClusterEndpoint*> placed;
  for (int i = 0; i < n_each; ++i) {
    for (Worker* const worker : {&workers.one, &workers.other}) {
      if (auto* const endpoint = worker->begin()) {
        placed.push_back(endpoint);
      }
    }
  }
  return placed;
}

}  // namespace

TEST_CASE("Workers: failures in a row add up, and the endpoint is out on all of them",
          "[cluster]") {
  TwoWorkers workers{patient()};

  workers.one.fails(2, 2);
  workers.other.fails(2, 2);
  CHECK(workers.one.uses(2));
  workers.one.fails(2);

  CHECK_FALSE(workers.one.uses(2));
  CHECK_FALSE(workers.other.uses(2));
  CHECK(workers.one.uses(1));
  CHECK(workers.other.uses(1));
}

TEST_CASE("Workers: a reply on one of them ends the row of failures on all", "[cluster]") {
  TwoWorkers workers{patient()};

  for (int i = 0; i < 10; ++i) {
    workers.one.fails(2, 4);
    workers.other.replies(2);
  }

  CHECK(workers.one.uses(2));
  CHECK(workers.other.uses(2));
}

TEST_CASE("Workers: a verdict is passed once, and counted where it was", "[cluster]") {
  TwoWorkers workers{patient()};

  workers.one.fails(2, 5);
  workers.other.fails(2, 5);

  const auto ejections = [](Worker& worker) {
    return worker.cluster.metrics().ejections.at(1).read();  // consecutive
  };
  CHECK(ejections(workers.one) == 1);
  CHECK(ejections(workers.other) == 0);
  CHECK_FALSE(workers.other.uses(2));
  CHECK(workers.other.cluster.metrics().endpoints_ejected.read() == 1);
}

TEST_CASE("Workers: no more are ejected by all of them together than by one", "[cluster]") {
  TwoWorkers workers{patient()};

  workers.one.fails(0, 5);
  workers.other.fails(1, 5);
  workers.one.fails(2, 5);
  workers.other.fails(3, 5);

  for (Worker* const worker : {&workers.one, &workers.other}) {
    CHECK_FALSE(worker->uses(0));
    CHECK_FALSE(worker->uses(1));
    CHECK(worker->uses(2));
    CHECK(worker->uses(3));
  }
}

TEST_CASE("Workers: a probe that succeeds on one brings the endpoint back on all", "[cluster]") {
  router::Policy policy;
  policy.ejection.min_penalty = 1ns;
  policy.ejection.max_penalty = 1ns;
  TwoWorkers workers{policy};
  workers.one.fails(2, 5);

  // Its penalty is over at once, so that the next one that is asked for is the probe.
  Worker& prober = workers.other;
  router::ClusterEndpoint* const probed = prober.cluster.acquire({}, std::nullopt);
  REQUIRE(probed->endpoint().address == address_of(2));
  prober.cluster.release(
      *probed, {.kind = AttemptOutcome::Kind::reply, .took = 0ns, .sent_at = prober.now()});

  CHECK(workers.one.uses(2));
  CHECK(workers.one.cluster.metrics().endpoints_ejected.read() == 0);
}

TEST_CASE("Workers: the head of a stream that has lasted for hours says nothing of now",
          "[cluster]") {
  TwoWorkers workers{patient()};
  Worker& worker = workers.one;
  worker.replies(0);
  const auto latency_of_first = [&worker] {
    std::vector<router::EndpointView> views;
    worker.cluster.describe(views);
    return views.at(0).latency;
  };
  const auto before = latency_of_first();

  worker.cluster.release(worker.cluster.acquire_at(address_of(0)),
                         {.kind = AttemptOutcome::Kind::reply,
                          .took = 30s,
                          .sent_at = worker.now() - 3h - 30s,
                          .heard_at = worker.now() - 3h});

  REQUIRE(before);
  CHECK(latency_of_first() == before);
}

TEST_CASE("Workers: a pause that an endpoint has asked one of them for is kept by all",
          "[cluster]") {
  TwoWorkers workers{patient()};

  workers.one.ends(
      2,
      {.kind = AttemptOutcome::Kind::failure, .took = 1ms, .asked_pause = std::chrono::minutes{1}});

  CHECK_FALSE(workers.other.uses(2));
  CHECK(workers.other.uses(1));
}

TEST_CASE("Workers: one that is asked for the first time later knows what the others have decided",
          "[cluster]") {
  router::SharedPort shared{1};
  Worker early{port_with(patient()), shared};
  early.fails(2, 5);

  Worker late{port_with(patient()), shared};

  CHECK_FALSE(late.uses(2));
}

TEST_CASE("Workers: an endpoint that was away for all of them begins afresh", "[cluster]") {
  TwoWorkers workers{patient()};
  workers.one.fails(3, 5);
  const router::ServicePort fewer = port_with(patient(), 3);
  workers.one.cluster.adopt(&fewer);
  workers.other.cluster.adopt(&fewer);

  const router::ServicePort all = port_with(patient());
  workers.one.cluster.adopt(&all);
  workers.other.cluster.adopt(&all);

  CHECK(workers.one.uses(3));
  CHECK(workers.other.uses(3));
}

TEST_CASE("Workers: a limit holds for all of them together", "[cluster]") {
  TwoWorkers workers{with_limit(5)};

  const auto placed = fill(workers, 10);

  CHECK(placed.size() == 5);
  CHECK(workers.one.cluster.is_full());
  workers.one.end(placed[0]);  // the first one's
  CHECK(workers.other.begin() != nullptr);
  CHECK(workers.one.begin() == nullptr);
}

TEST_CASE("Workers: as many requests wait on all of them together as the queue takes",
          "[cluster]") {
  TwoWorkers workers{with_queue(6)};
  const int caller = 0;
  std::deque<Queued> of_one;
  std::deque<Queued> of_other;
  for (int i = 0; i < 3; ++i) {
    of_one.emplace_back(workers.one, &caller);
    of_other.emplace_back(workers.other, &caller);
  }
  CHECK(n_waiting(of_one) + n_waiting(of_other) == 6);

  of_other.emplace_back(workers.other, &caller);

  CHECK(n_waiting(of_one) == 3);
  CHECK(n_waiting(of_other) == 3);
  CHECK(workers.other.metrics.hits(router::telemetry::Limit::queue_requests) == 1);
  of_one.pop_front();
  of_other.emplace_back(workers.other, &caller);  // in the place that is free
  CHECK(n_waiting(of_other) == 4);
}

TEST_CASE("Workers: who fills the queue on one of them leaves others their part on another",
          "[cluster]") {
  TwoWorkers workers{with_queue(6)};
  const int greedy = 0;
  const int modest = 0;
  std::deque<Queued> flood;
  for (int i = 0; i < 10; ++i) {
    flood.emplace_back(workers.one, &greedy);
  }
  REQUIRE(n_waiting(flood) == 6);

  std::deque<Queued> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back(workers.other, &modest);
  }
  CHECK(n_waiting(others) == 3);
  workers.one.turn();
  CHECK(n_waiting(flood) == 3);  // it gives up what the others have got

  std::deque<Queued> beside;
  beside.emplace_back(workers.one, &modest);
  CHECK(n_waiting(flood) == 2);
  CHECK(n_waiting(beside) == 1);
  CHECK(n_waiting(others) == 3);
}

TEST_CASE("Workers: a queue that is much too long becomes shorter turn by turn", "[cluster]") {
  TwoWorkers workers{with_queue(100)};
  const int greedy = 0;
  const int modest = 0;
  std::deque<Queued> flood;
  for (int i = 0; i < 100; ++i) {
    flood.emplace_back(workers.one, &greedy);
  }
  const router::ServicePort small = port_with(with_queue(10));
  workers.one.cluster.adopt(&small);
  workers.other.cluster.adopt(&small);

  const Queued other{workers.other, &modest};
  CHECK(n_waiting(flood) == 100);
  workers.one.turn();
  CHECK(n_waiting(flood) > 9);  // a turn is to end
  for (int i = 0; i < 100; ++i) {
    workers.one.turn();
  }

  CHECK(n_waiting(flood) == 9);
  CHECK(other.waits());
}

TEST_CASE("Workers: the limit of each endpoint holds for all of them together", "[cluster]") {
  TwoWorkers workers{with_limit(0, 3)};

  const auto placed = fill(workers, 10);

  REQUIRE(placed.size() == 3 * kEndpoints);
  CHECK(workers.other.cluster.is_full());
  for (std::size_t i = 0; i < kEndpoints; ++i) {
    CHECK(std::count_if(placed.begin(), placed.end(), [i](const auto* endpoint) {
            return endpoint->endpoint().address == address_of(i);
          }) == 3);
  }
  workers.one.end(placed[0]);
  auto* const next = workers.other.begin();
  REQUIRE(next != nullptr);
  CHECK(next->endpoint().address == placed[0]->endpoint().address);
}

TEST_CASE("Workers: while the others are at their limits, one that is ejected gets nothing",
          "[cluster]") {
  router::Policy policy = patient();
  policy.endpoint_limit = 1;
  TwoWorkers workers{policy};
  workers.one.fails(2, 5);

  const auto placed = fill(workers, 4);

  REQUIRE(placed.size() == kEndpoints - 1);
  for (const auto* const endpoint : placed) {
    CHECK(endpoint->endpoint().address != address_of(2));
  }
  CHECK(workers.one.begin() == nullptr);
  CHECK(workers.one.cluster.is_full());
}

TEST_CASE("Workers: without a limit nothing is full, and one that comes later counts what is there",
          "[cluster]") {
  TwoWorkers workers{router::Policy{}};
  const auto placed = fill(workers, 4);
  REQUIRE(placed.size() == 8);

  const router::ServicePort limited = port_with(with_limit(8));
  workers.one.cluster.adopt(&limited);
  workers.other.cluster.adopt(&limited);

  CHECK(workers.one.begin() == nullptr);
  workers.one.end(placed[0]);
  CHECK(workers.one.begin() != nullptr);
  CHECK(workers.one.begin() == nullptr);
  const router::ServicePort unlimited = port_with(router::Policy{});
  workers.one.cluster.adopt(&unlimited);
  CHECK(workers.one.begin() != nullptr);
}

TEST_CASE("Workers: room goes to the waiter whose wait ends first", "[cluster]") {
  TwoWorkers workers{with_limit(1)};
  auto* const placed = workers.one.begin();
  REQUIRE(workers.one.begin() == nullptr);
  Waiting patient{workers.one, kUntil + 1s};
  Waiting hasty{workers.one, kUntil};
  Waiting later{workers.one, kUntil};
  workers.one.turn();

  workers.one.end(placed);
  CHECK(workers.one.begin() == nullptr);  // those who wait go first
  workers.one.turn();

  REQUIRE(hasty.endpoint != nullptr);
  CHECK(patient.endpoint == nullptr);
  workers.one.end(hasty.endpoint);
  workers.one.turn();
  CHECK(later.endpoint != nullptr);
  CHECK(patient.endpoint == nullptr);
}

TEST_CASE("Workers: room that one of them leaves goes to who waits on another", "[cluster]") {
  TwoWorkers workers{with_limit(1)};
  auto* const placed = workers.one.begin();
  REQUIRE(workers.other.begin() == nullptr);
  Waiting waiting{workers.other, kUntil};
  workers.other.turn();
  REQUIRE(waiting.endpoint == nullptr);

  workers.one.end(placed);
  workers.one.turn();
  workers.other.turn();

  CHECK(waiting.endpoint != nullptr);
}

TEST_CASE("Workers: one with few requests gets its turn beside one with many", "[cluster]") {
  TwoWorkers workers{with_limit(4)};
  std::vector<router::ClusterEndpoint*> many;
  for (int i = 0; i < 4; ++i) {
    many.push_back(workers.one.begin());
  }
  REQUIRE(workers.one.begin() == nullptr);
  std::deque<Waiting> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.emplace_back(workers.one, kUntil);
  }
  REQUIRE(workers.other.begin() == nullptr);
  Waiting single{workers.other, kUntil + 1h};
  workers.one.turn();
  workers.other.turn();

  workers.one.end(many[0]);
  workers.one.turn();
  workers.other.turn();

  CHECK(single.endpoint != nullptr);
  CHECK(crowd.front().endpoint == nullptr);
}

TEST_CASE("Workers: room that came before others knew of a waiter is not missed", "[cluster]") {
  TwoWorkers workers{with_limit(1)};
  auto* const placed = workers.one.begin();
  REQUIRE(workers.other.begin() == nullptr);
  workers.one.end(placed);
  workers.one.turn();

  Waiting waiting{workers.other, kUntil};  // which it does not know
  workers.other.turn();

  CHECK(waiting.endpoint != nullptr);
}

TEST_CASE("Workers: room for waiters that have left goes on to the next worker", "[cluster]") {
  TwoWorkers workers{with_limit(1)};
  auto* const placed = workers.one.begin();
  REQUIRE(workers.other.begin() == nullptr);
  {
    const Waiting impatient{workers.other, kUntil};
    workers.other.turn();
  }
  REQUIRE(workers.one.begin() == nullptr);
  Waiting waiting{workers.one, kUntil};
  workers.one.turn();

  workers.one.end(placed);
  workers.one.turn();
  workers.other.turn();
  workers.one.turn();

  CHECK(waiting.endpoint != nullptr);
}

TEST_CASE("Workers: all of them use the same subset of the endpoints", "[cluster]") {
  router::Policy policy;
  policy.subset_size = 2;
  TwoWorkers workers{policy};

  std::size_t n_used = 0;
  for (std::size_t i = 0; i < kEndpoints; ++i) {
    const bool is_used = workers.one.uses(i);
    CHECK(workers.other.uses(i) == is_used);
    n_used += is_used ? 1 : 0;
  }

  CHECK(n_used == 2);
}
