// SPDX-License-Identifier: Apache-2.0
// balancer.zoneSpillOver: when requests leave the own zone, and where they go then.
#include "tests/router/cluster/worker.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::BalancerKind;
using router::ClusterEndpoint;
using test::address_of;
using test::Worker;

namespace {

constexpr std::size_t kOwn = 2;  ///< endpoints 0 and 1 are of the own zone
constexpr std::size_t kAll = 6;

/// Spills over from that many requests for each endpoint; penalties last for as long as the test.
router::Policy spilling_from(std::uint32_t n_requests) {
  router::Policy policy;
  policy.balancer = BalancerKind::round_robin;
  policy.zone_spill_over = n_requests;
  policy.ejection.min_penalty = 1h;
  policy.ejection.max_penalty = 1h;
  return policy;
}

router::ServicePort port_with(const router::Policy& policy,
                              const std::set<std::size_t>& own = {0, 1}) {
  router::ServicePort port;
  port.policy = policy;
  for (std::size_t i = 0; i < kAll; ++i) {
    port.endpoints.push_back({.address = address_of(i),
                              .is_spare = !own.contains(i),
                              .pod = "pod-" + std::to_string(i)});
  }
  return port;
}

std::size_t number_of(const ClusterEndpoint* endpoint) {
  REQUIRE(endpoint != nullptr);
  for (std::size_t i = 0; i < kAll; ++i) {
    if (endpoint->endpoint().address == address_of(i)) {
      return i;
    }
  }
  FAIL("no such endpoint");
  return kAll;
}

bool is_own(const ClusterEndpoint* endpoint) {
  return number_of(endpoint) < kOwn;
}

/// So many requests, none of which ends.
std::vector<ClusterEndpoint*> begin(Worker& worker, std::size_t n_requests) {
  std::vector<ClusterEndpoint*> placed;
  for (std::size_t i = 0; i < n_requests; ++i) {
    placed.push_back(worker.begin());
  }
  return placed;
}

std::array<std::size_t, kAll> count(const std::vector<ClusterEndpoint*>& placed) {
  std::array<std::size_t, kAll> counts{};
  for (const ClusterEndpoint* const endpoint : placed) {
    ++counts.at(number_of(endpoint));
  }
  return counts;
}

/// One worker.
struct OneWorker {
  explicit OneWorker(const router::Policy& policy) : worker{port_with(policy), shared} {}

  [[nodiscard]] std::uint64_t spills() { return worker.cluster.metrics().zone_spills.read(); }
  void adopt(const router::ServicePort& port) { worker.cluster.adopt(&port); }

  router::SharedPort shared{1};
  Worker worker;
};

using Counts = std::array<std::size_t, kAll>;

}  // namespace

TEST_CASE("Spill-over: nothing leaves the zone while its endpoints have fewer requests than that",
          "[cluster]") {
  OneWorker setup{spilling_from(3)};

  CHECK(count(begin(setup.worker, 6)) == Counts{3, 3});
  CHECK(setup.spills() == 0);
}

TEST_CASE("Spill-over: further requests go to the other zones, until one has ended in the own one",
          "[cluster]") {
  OneWorker setup{spilling_from(3)};
  const auto first = begin(setup.worker, 6);

  CHECK(count(begin(setup.worker, 8)) == Counts{0, 0, 2, 2, 2, 2});
  CHECK(setup.spills() == 8);
  setup.worker.end(first[0]);

  CHECK(is_own(setup.worker.begin()));
  CHECK_FALSE(is_own(setup.worker.begin()));
  CHECK(setup.spills() == 9);
}

TEST_CASE("Spill-over: with all zones as busy the requests are spread over all endpoints",
          "[cluster]") {
  OneWorker setup{spilling_from(1)};
  begin(setup.worker, kAll);

  CHECK(count(begin(setup.worker, 2 * kAll)) == Counts{2, 2, 2, 2, 2, 2});
}

TEST_CASE("Spill-over: what counts is what all workers have in flight", "[cluster]") {
  router::SharedPort shared{1};
  Worker one{port_with(spilling_from(3)), shared};
  Worker other{port_with(spilling_from(3)), shared};
  begin(one, 3);
  const auto placed = begin(other, 3);

  CHECK_FALSE(is_own(one.begin()));
  CHECK_FALSE(is_own(other.begin()));
  other.end(placed[0]);
  CHECK(is_own(one.begin()));
}

TEST_CASE("Spill-over: requests that are under way when it is turned on count", "[cluster]") {
  router::ServicePort off = port_with(spilling_from(0));
  off.endpoints.resize(kOwn);
  router::SharedPort shared{1};
  Worker worker{off, shared};
  begin(worker, 6);

  const router::ServicePort on = port_with(spilling_from(3));
  worker.cluster.adopt(&on);

  CHECK_FALSE(is_own(worker.begin()));
}

TEST_CASE("Spill-over: once it is turned off, the other zones get nothing more", "[cluster]") {
  OneWorker setup{spilling_from(1)};
  begin(setup.worker, 6);
  REQUIRE(setup.spills() == 4);
  router::ServicePort off = port_with(spilling_from(0));
  off.endpoints.resize(kOwn);

  setup.adopt(off);

  CHECK(count(begin(setup.worker, 8)) == Counts{4, 4});
  CHECK(setup.spills() == 4);
}

TEST_CASE("Spill-over: hints that change do so at once, and nothing is lost by it", "[cluster]") {
  OneWorker setup{spilling_from(1)};
  const auto placed = begin(setup.worker, 4);  // one each with 0 to 3

  setup.adopt(port_with(spilling_from(1), {2, 3, 4}));

  ClusterEndpoint* const next = setup.worker.begin();
  CHECK(number_of(next) == 4);
  CHECK_FALSE(std::count(placed.begin(), placed.end(), next) > 0);
  const auto again = begin(setup.worker, 8);
  CHECK(std::count(again.begin(), again.end(), placed[2]) > 0);  // the same endpoint as before
}

TEST_CASE("Spill-over: the other zones take over where the own one's endpoints are ejected",
          "[cluster]") {
  OneWorker setup{spilling_from(3)};
  setup.worker.fails(0, 5);
  CHECK(count(begin(setup.worker, 3)) == Counts{0, 3});
  CHECK_FALSE(is_own(setup.worker.begin()));  // the one that is left has its three

  setup.worker.fails(1, 5);

  const auto placed = begin(setup.worker, 4);
  CHECK(std::none_of(placed.begin(), placed.end(), is_own));
  CHECK_FALSE(setup.worker.uses(0));
  CHECK_FALSE(setup.worker.uses(1));
  CHECK(setup.worker.cluster.metrics().panic_requests.read() == 0);
}

TEST_CASE("Spill-over: what is stuck at an endpoint that is ejected is no load of the others",
          "[cluster]") {
  OneWorker setup{spilling_from(3)};
  const auto placed = begin(setup.worker, 6);
  setup.worker.fails(0, 5);
  for (ClusterEndpoint* const endpoint : placed) {
    if (number_of(endpoint) == 1) {
      setup.worker.end(endpoint);
    }
  }

  CHECK(number_of(setup.worker.begin()) == 1);
}

TEST_CASE("Spill-over: a request that has tried its own zone goes on to another", "[cluster]") {
  OneWorker setup{spilling_from(3)};
  std::vector<std::uint64_t> tried;
  for (std::size_t i = 0; i < kAll; ++i) {
    ClusterEndpoint* const next =
        i % 2 == 0 ? setup.worker.cluster.acquire(tried, std::nullopt)
                   : setup.worker.cluster.acquire_in_service(tried, std::nullopt);
    CHECK(is_own(next) == (i < kOwn));
    tried.push_back(next->id());
    setup.worker.end(next);
  }

  CHECK(setup.worker.cluster.acquire(tried, std::nullopt) == nullptr);
}

TEST_CASE("Spill-over: where limits.perEndpoint leaves no room in the own zone, others have some",
          "[cluster]") {
  router::Policy policy = spilling_from(3);
  policy.endpoint_limit = 2;
  OneWorker setup{policy};

  CHECK(count(begin(setup.worker, 12)) == Counts{2, 2, 2, 2, 2, 2});
  CHECK(setup.worker.begin() == nullptr);
  CHECK(setup.worker.cluster.is_full());
}

TEST_CASE("Spill-over: a key stays in its zone, where it would be if there were no other",
          "[cluster]") {
  router::Policy policy = spilling_from(100);
  policy.balancer = BalancerKind::ring_hash;
  OneWorker setup{policy};
  router::ServicePort alone = port_with(policy);
  alone.endpoints.resize(kOwn);
  router::SharedPort shared{1};
  Worker in_one_zone{alone, shared};

  for (std::uint64_t key = 0; key < 100; ++key) {
    const std::uint64_t scattered = key * 0x9e3779b97f4a7c15;
    ClusterEndpoint* const chosen = setup.worker.cluster.acquire({}, scattered);
    ClusterEndpoint* const expected = in_one_zone.cluster.acquire({}, scattered);
    CHECK(number_of(chosen) == number_of(expected));
    setup.worker.end(chosen);
    in_one_zone.end(expected);
  }
  CHECK(setup.spills() == 0);
}

TEST_CASE("Spill-over: every policy goes by it", "[cluster]") {
  router::Policy policy = spilling_from(4);
  policy.balancer = GENERATE(BalancerKind::peak_ewma,
                             BalancerKind::least_request,
                             BalancerKind::round_robin,
                             BalancerKind::random,
                             BalancerKind::ring_hash,
                             BalancerKind::maglev);
  CAPTURE(static_cast<int>(policy.balancer));
  OneWorker setup{policy};

  const auto first = begin(setup.worker, 8);
  const auto further = begin(setup.worker, 8);

  CHECK(std::all_of(first.begin(), first.end(), is_own));
  CHECK(std::none_of(further.begin(), further.end(), is_own));
}

TEST_CASE("Spill-over: a caller that names a pod of another zone is no spill", "[cluster]") {
  OneWorker setup{spilling_from(3)};

  setup.worker.replies(4);

  CHECK(setup.spills() == 0);
  CHECK(is_own(setup.worker.begin()));
}

TEST_CASE("Spill-over: a subset has as many of the own zone's endpoints as of the others",
          "[cluster]") {
  router::Policy policy = spilling_from(1);
  policy.subset_size = 1;
  OneWorker setup{policy};

  const Counts counts = count(begin(setup.worker, 2));

  CHECK(counts[0] + counts[1] == 1);
  CHECK(counts[2] + counts[3] + counts[4] + counts[5] == 1);
}
