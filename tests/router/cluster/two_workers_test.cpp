// SPDX-License-Identifier: Apache-2.0
// What the workers of a process share about the endpoints of one Service port.
#include "router/cluster/cluster.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::AttemptOutcome;

namespace {

constexpr std::size_t kEndpoints = 4;

boost::asio::ip::tcp::endpoint address_of(std::size_t endpoint) {
  return {boost::asio::ip::address_v4{0x0a000001U + static_cast<std::uint32_t>(endpoint)}, 80};
}

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

/// One worker's side of the port, without connections.
class Worker final : public router::ConnectionFactory {
 public:
  Worker(const router::ServicePort& port, router::SharedPort& shared)
      : cluster{router::PoolContext{loop_, *this, metrics.add_service("shop", "cart", "80")},
                port,
                shared,
                1} {
    loop_.begin_turn();
  }

  /// A request to that endpoint, which ends so.
  void ends(std::size_t endpoint, const AttemptOutcome& outcome) {
    cluster.release(cluster.acquire_at(address_of(endpoint)), outcome);
  }
  void fails(std::size_t endpoint, int n = 1) {
    for (int i = 0; i < n; ++i) {
      ends(endpoint, {.kind = AttemptOutcome::Kind::failure, .took = 1ms});
    }
  }
  void replies(std::size_t endpoint) {
    ends(endpoint, {.kind = AttemptOutcome::Kind::reply, .took = 1ms});
  }

  /// Whether a round of requests has one for that endpoint.
  bool uses(std::size_t endpoint) {
    bool is_used = false;
    for (std::size_t i = 0; i < 2 * kEndpoints; ++i) {
      router::ClusterEndpoint* const chosen = cluster.acquire({}, std::nullopt);
      is_used = is_used || chosen->endpoint().address == address_of(endpoint);
      cluster.release(*chosen, {.kind = AttemptOutcome::Kind::unsent});
    }
    return is_used;
  }

  std::unique_ptr<router::UpstreamConnection> connect(
      const router::ConnectOptions& /*options*/,
      router::UpstreamConnectionEvents& /*events*/) override {
    std::abort();
  }

  router::telemetry::CoreMetrics metrics;

 private:
  boost::asio::io_context io_;
  router::Loop loop_{io_, metrics};

 public:
  router::Cluster cluster;
};

/// Two workers of one process.
struct TwoWorkers {
  explicit TwoWorkers(const router::Policy& policy)
      : one{port_with(policy), shared}, other{port_with(policy), shared} {}

  router::SharedPort shared;
  Worker one;
  Worker other;
};

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
  prober.cluster.release(*probed, {.kind = AttemptOutcome::Kind::reply, .took = 0ns});

  CHECK(workers.one.uses(2));
  CHECK(workers.one.cluster.metrics().endpoints_ejected.read() == 0);
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
  router::SharedPort shared;
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
