// SPDX-License-Identifier: Apache-2.0
// balancer.zoneSpillOver: what the pods of the own zone are too busy for goes to other zones.
#include "tests/integration/one_service.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace {

constexpr const char* kNodeInZoneA =
    "apiVersion: v1\nkind: Node\n"
    "metadata: {name: node-1, labels: {topology.kubernetes.io/zone: zone-a}}\n";

std::string spilling_from(int n_requests) {
  return "version: 1\nservices:\n  cart.shop: {balancer: {policy: round_robin, zoneSpillOver: " +
         std::to_string(n_requests) + "}}\n";
}

/// `cart.shop` with two endpoints that are hinted for the router's zone and two that are hinted for
/// another one.
struct TwoZones {
  explicit TwoZones(const std::string& config, const std::string& workers = "1")
      : router{written(config, workers)}, client{router.listen_port()} {}

  /// Of the two endpoints there.
  [[nodiscard]] int seen_in_own_zone() { return own[0].requests_seen() + own[1].requests_seen(); }
  [[nodiscard]] int seen_in_other_zone() {
    return other[0].requests_seen() + other[1].requests_seen();
  }
  [[nodiscard]] double spills() const { return router.metric("nodeway_zone_spills_total"); }
  /// As `nodeway endpoints` has them.
  [[nodiscard]] std::ptrdiff_t endpoints_in_state(const std::string& state) const {
    const auto page = nlohmann::json::parse(router.http_get("/api/v1/endpoints").body);
    const auto& rows = page["rows"];
    return std::count_if(
        rows.begin(), rows.end(), [&state](const auto& row) { return row["state"] == state; });
  }
  void write_slices(const std::string& zone_of_own, const std::string& zone_of_other) {
    std::vector<test::EndpointSpec> endpoints;
    for (std::size_t i = 0; i < own.size(); ++i) {
      endpoints.push_back(own.at(i).endpoint());
      endpoints.back().hint_zone = zone_of_own;
      endpoints.push_back(other.at(i).endpoint());
      endpoints.back().hint_zone = zone_of_other;
    }
    cluster.add_service("cart.shop", 80, endpoints);
  }

  std::vector<test::StreamId> open(int n_requests) {
    std::vector<test::StreamId> streams;
    for (int i = 0; i < n_requests; ++i) {
      streams.push_back(client.open_get("cart.shop", "/"));
    }
    client.ping();
    return streams;
  }
  /// Lets the own zone's endpoints reply to all that they have.
  void release_own() {
    own[0].release();
    own[1].release();
  }
  void check_all_succeed(const std::vector<test::StreamId>& streams) {
    for (const test::StreamId stream : streams) {
      CHECK(client.wait(stream).status == 200);
    }
  }

  // Slow, so that their requests stay until the test releases them.
  std::array<test::Upstream, 2> own{test::Upstream{test::always({.body = "own", .held = true})},
                                    test::Upstream{test::always({.body = "own", .held = true})}};
  std::array<test::Upstream, 2> other{test::Upstream{test::answer(200, "other")},
                                      test::Upstream{test::answer(200, "other")}};
  test::ClusterFolder cluster{};
  test::RouterProcess router;
  test::H2Client client;

 private:
  test::RouterProcess::Options written(const std::string& config, const std::string& workers) {
    cluster.set_config(config);
    cluster.write_raw("node.yaml", kNodeInZoneA);
    write_slices("zone-a", "zone-b");
    return {.source = cluster.path(), .args = {"--node", "node-1", "--workers", workers}};
  }
};

}  // namespace

TEST_CASE("nodeway: without zoneSpillOver no request leaves the zone, however busy it is",
          "[integration][spill]") {
  TwoZones setup{"version: 1\n"};

  const auto streams = setup.open(40);

  test::eventually("all of them", [&] { return setup.seen_in_own_zone() == 40; });
  CHECK(setup.seen_in_other_zone() == 0);
  setup.release_own();
  setup.check_all_succeed(streams);
  CHECK(setup.seen_in_other_zone() == 0);
  CHECK(setup.spills() == 0);
}

TEST_CASE("nodeway: what is too much for the pods of the zone goes to another one, and counts",
          "[integration][spill]") {
  TwoZones setup{spilling_from(3)};

  const auto slow = setup.open(6);
  test::eventually("the zone to be busy", [&] { return setup.seen_in_own_zone() == 6; });
  CHECK(setup.spills() == 0);
  for (int i = 0; i < 20; ++i) {
    CHECK(setup.client.get("cart.shop", "/").body == "other");
  }

  CHECK(setup.own[0].requests_seen() == 3);
  CHECK(setup.own[1].requests_seen() == 3);
  CHECK(setup.other[0].requests_seen() == 10);
  CHECK(setup.other[1].requests_seen() == 10);
  CHECK(setup.spills() == 20);
  CHECK(setup.endpoints_in_state("ready") == 2);
  CHECK(setup.endpoints_in_state("spare") == 2);
  setup.release_own();
  setup.check_all_succeed(slow);

  const auto later = setup.open(6);
  test::eventually("the zone to have them", [&] { return setup.seen_in_own_zone() == 12; });
  setup.release_own();
  setup.check_all_succeed(later);
  CHECK(setup.spills() == 20);
}

TEST_CASE("nodeway: the zone is busy by what all workers have there", "[integration][spill]") {
  TwoZones setup{spilling_from(4), "4"};
  // The kernel spreads them over the workers.
  std::vector<std::unique_ptr<test::H2Client>> clients;
  std::vector<test::StreamId> streams;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<test::H2Client>(setup.router.listen_port()));
    streams.push_back(clients.back()->open_get("cart.shop", "/"));
    clients.back()->ping();
    test::eventually("the request", [&] { return setup.seen_in_own_zone() == i + 1; });
  }

  for (auto& client : clients) {
    CHECK(client->get("cart.shop", "/").body == "other");
  }

  CHECK(setup.seen_in_own_zone() == 8);
  CHECK(setup.spills() == 8);
  setup.release_own();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    CHECK(clients[i]->wait(streams[i]).body == "own");
  }
}

TEST_CASE("nodeway: where the pods of the zone cannot be connected, another one takes over at once",
          "[integration][spill]") {
  TwoZones setup{spilling_from(100)};
  setup.own[0].stop_listening();
  setup.own[1].stop_listening();

  for (int i = 0; i < 20; ++i) {
    CHECK(setup.client.get("cart.shop", "/").body == "other");
  }

  CHECK(setup.seen_in_other_zone() == 20);
  CHECK(setup.router.metric("nodeway_panic_requests_total") == 0);
}

TEST_CASE("nodeway: zoneSpillOver and hints that change hold from the next request on",
          "[integration][spill]") {
  TwoZones setup{"version: 1\n"};
  auto slow = setup.open(6);
  test::eventually("the zone to be busy", [&] { return setup.seen_in_own_zone() == 6; });

  setup.cluster.set_config(spilling_from(3));
  test::eventually("the other zone to be used", [&] {
    slow.push_back(setup.client.open_get("cart.shop", "/"));
    setup.client.ping();
    return setup.seen_in_other_zone() > 0;
  });
  CHECK(setup.spills() > 0);

  // All that is under way stays, and the zone that was the other one is that of the router.
  setup.write_slices("zone-b", "zone-a");
  test::eventually("the other zone's to be the own ones", [&] {
    const double before = setup.spills();
    CHECK(setup.client.get("cart.shop", "/").body == "other");
    return setup.spills() == before;
  });

  setup.release_own();
  setup.check_all_succeed(slow);
}
