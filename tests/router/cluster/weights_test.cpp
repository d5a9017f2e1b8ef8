// SPDX-License-Identifier: Apache-2.0
// balancer.weights, from the snapshots to the choice.
#include "tests/router/cluster/worker.hpp"

#include <cstddef>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using router::BalancerKind;
using test::address_of;
using test::Worker;

namespace {

router::ServicePort port_with(BalancerKind kind, const std::vector<double>& weights) {
  router::ServicePort port;
  port.policy.balancer = kind;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    port.endpoints.push_back(
        {.address = address_of(i), .weight = weights[i], .pod = "pod-" + std::to_string(i)});
  }
  return port;
}

/// The part of many requests, each of which ends before the next, that the first endpoint gets.
double share_of_first(Worker& worker) {
  constexpr int kRequests = 2000;
  int n_of_first = 0;
  for (int i = 0; i < kRequests; ++i) {
    router::ClusterEndpoint* const chosen = worker.begin();
    n_of_first += chosen->endpoint().address == address_of(0) ? 1 : 0;
    worker.end(chosen);
  }
  return static_cast<double>(n_of_first) / kRequests;
}

}  // namespace

TEST_CASE("Cluster: weights of the configuration are in force with the snapshot that has them",
          "[cluster]") {
  const BalancerKind kind = GENERATE(BalancerKind::peak_ewma,
                                     BalancerKind::least_request,
                                     BalancerKind::round_robin,
                                     BalancerKind::random,
                                     BalancerKind::ring_hash,
                                     BalancerKind::maglev);
  CAPTURE(static_cast<int>(kind));
  router::SharedPort shared{1};
  Worker worker{port_with(kind, {1, 1}), shared};
  CHECK(share_of_first(worker) == Approx(0.5).margin(0.08));

  const router::ServicePort heavy = port_with(kind, {3, 1});
  worker.cluster.adopt(&heavy);
  CHECK(share_of_first(worker) == Approx(0.75).margin(0.08));

  const router::ServicePort light = port_with(kind, {0.5, 1.5});
  worker.cluster.adopt(&light);
  CHECK(share_of_first(worker) == Approx(0.25).margin(0.08));
}
