// SPDX-License-Identifier: Apache-2.0
// Endpoints that fail, or are much slower than the others, are taken out of the choice for a while.
#include "tests/integration/one_service.hpp"
#include "tests/support/load.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

namespace {

/// `round_robin`, which sends to a failing endpoint as to any other, with these rules of ejection.
std::string with_rules(const std::string& ejection, const std::string& more = {}) {
  return "version: 1\ndefaults:\n  balancer: {policy: round_robin}\n  retries: {limit: 0}\n  "
         "ejection: {" +
         ejection + "}\n" + more;
}

/// `cart.shop` with two endpoints that are well and one that plays a script, and one worker, so
/// that its endpoints are chosen in turn.
struct OneOfThree {
  OneOfThree(test::Script script, const std::string& config)
      : odd{std::move(script)}, router{written(config)}, client{router.listen_port()} {}

  /// Replies with another status than 200 among `n`.
  int failed_of(int n) {
    int n_failed = 0;
    for (int i = 0; i < n; ++i) {
      n_failed += client.get("cart.shop", "/").status == 200 ? 0 : 1;
    }
    return n_failed;
  }

  [[nodiscard]] double ejections(const std::string& cause) const {
    return router.metric("nodeway_ejections_total", {{"cause", cause}});
  }

  test::Upstream odd;
  test::Upstream one{test::answer(200, "ok")};
  test::Upstream two{test::answer(200, "ok")};
  test::ClusterFolder cluster{};
  test::RouterProcess router;
  test::H2Client client;

 private:
  test::RouterProcess::Options written(const std::string& config) {
    cluster.set_config(config);
    cluster.add_service("cart.shop", 80, {odd.endpoint(), one.endpoint(), two.endpoint()});
    return {.source = cluster.path(), .args = {"--workers", "1"}};
  }
};

}  // namespace

TEST_CASE("nodeway: an endpoint that fails at once is ejected after five failures",
          "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "no"), with_rules("minPenalty: 10m")};

  CHECK(setup.failed_of(100) == 5);

  CHECK(setup.odd.requests_seen() == 5);
  CHECK(setup.ejections("consecutive") == 1);
  CHECK(setup.router.metric("nodeway_endpoints_ejected") == 1);
  const auto page = nlohmann::json::parse(setup.router.http_get("/api/v1/endpoints").body);
  const std::string address = "127.0.0.1:" + std::to_string(setup.odd.port());
  for (const auto& row : page.at("rows")) {
    CAPTURE(row.dump());
    CHECK((row.at("state") == "ejected") == (row.at("address") == address));
    CHECK(row.at("ejected_for") == (row.at("address") == address ? "consecutive" : ""));
    CHECK(row.at("weight") == 1);
  }
  const std::string log = setup.router.child().stderr_text();
  CHECK(log.find("endpoint " + address) != std::string::npos);
  CHECK(log.find("s: consecutive") != std::string::npos);
}

TEST_CASE("nodeway: an endpoint that was mended is used again after one probe",
          "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "no"), with_rules("minPenalty: 50ms, maxPenalty: 100ms")};
  CHECK(setup.failed_of(30) >= 5);
  REQUIRE(setup.ejections("consecutive") >= 1);

  setup.odd.set_script(test::answer(200, "ok"));
  test::eventually("the endpoint to be back", [&] {
    setup.failed_of(1);
    return setup.router.metric("nodeway_endpoints_ejected") == 0;
  });
  const int before = setup.odd.requests_seen();

  CHECK(setup.failed_of(30) == 0);
  CHECK(setup.odd.requests_seen() - before >= 9);  // its whole share
}

TEST_CASE("nodeway: the last endpoint is never ejected, and its failures are its own",
          "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "no"), with_rules("minPenalty: 10m, maxPercent: 100")};
  setup.one.set_script(test::answer(503, "no"));
  setup.two.set_script(test::answer(503, "no"));

  for (int i = 0; i < 60; ++i) {
    const test::Reply reply = setup.client.get("cart.shop", "/");
    CHECK(reply.status == 503);
    CHECK_FALSE(reply.header("nodeway-error"));
  }

  CHECK(setup.router.metric("nodeway_endpoints_ejected") == 2);
}

TEST_CASE("nodeway: with too few endpoints left all of them are used", "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "no"), with_rules("minPenalty: 10m, panicPercent: 100")};

  CHECK(setup.failed_of(60) == 20);

  CHECK(setup.router.metric("nodeway_endpoints_ejected") == 1);
  CHECK(setup.router.metric("nodeway_panic_requests_total") > 0);
}

TEST_CASE("nodeway: where panic is forbidden, a Service of ejected endpoints has none",
          "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "no"), with_rules("minPenalty: 10m, panicPercent: 0")};
  CHECK(setup.failed_of(20) == 5);

  setup.cluster.add_service("cart.shop", 80, {setup.odd.endpoint()});

  test::eventually("the others to be gone", [&] {
    return setup.client.get("cart.shop", "/").header("nodeway-error") == "all_ejected";
  });
  CHECK(setup.odd.requests_seen() == 5);
}

TEST_CASE("nodeway: an endpoint that cannot be connected is ejected at once",
          "[integration][ejection]") {
  OneOfThree setup{test::answer(200, "ok"), with_rules("minPenalty: 10m")};
  setup.odd.stop_listening();

  CHECK(setup.failed_of(60) == 0);

  CHECK(setup.ejections("connect") == 1);
  CHECK(setup.router.metric("nodeway_upstream_connects_failed_total") == 1);
}

TEST_CASE("nodeway: an endpoint that replies much more slowly than the others is ejected",
          "[integration][ejection]") {
  OneOfThree setup{test::always({.body = "ok", .delay = 60ms}), with_rules("minPenalty: 10m")};
  test::Load load{setup.router.listen_port(), "cart.shop", 6};

  setup.router.wait_metric("nodeway_ejections_total", 1, {{"cause", "latency"}}, 40s);
  const int before = setup.odd.requests_seen();
  load.wait_for_more(300);
  const test::LoadResult result = load.stop();

  CHECK(result.failures.empty());
  CHECK(setup.odd.requests_seen() - before <= 6);  // what was under way
}

TEST_CASE("nodeway: rules of ejection can be changed under way", "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "no"), with_rules("consecutive: 0")};
  CHECK(setup.failed_of(60) == 20);

  setup.cluster.set_config(with_rules("consecutive: 2, minPenalty: 10m"));

  test::eventually("the failing endpoint to be ejected", [&] {
    setup.failed_of(3);
    return setup.ejections("consecutive") == 1;
  });
  CHECK(setup.failed_of(30) == 0);
}

TEST_CASE("nodeway: INVALID_ARGUMENT ejects nobody, unless the Service's configuration says so",
          "[integration][ejection]") {
  const bool is_failure = GENERATE(false, true);
  CAPTURE(is_failure);
  OneOfThree setup{
      test::always(test::grpc_trailers_only(3, "division by zero")),
      with_rules("minPenalty: 10m",
                 is_failure ? "services: {cart.shop: {endpointFailure: {grpc: [INVALID_ARGUMENT]}}}"
                            : "")};

  for (int i = 0; i < 60; ++i) {
    setup.client.grpc("cart.shop", "/calc.Calculator/Divide", "1/0");
  }

  CHECK(setup.odd.requests_seen() == (is_failure ? 5 : 20));
  CHECK(setup.ejections("consecutive") == (is_failure ? 1 : 0));
}

TEST_CASE("nodeway: an endpoint that asks for a pause gets it", "[integration][ejection]") {
  OneOfThree setup{test::answer(503, "later", {{"retry-after", "600"}}),
                   with_rules("consecutive: 0, maxPenalty: 10m")};

  CHECK(setup.failed_of(60) == 1);

  CHECK(setup.router.metric("nodeway_ejections_total") == 0);
}

TEST_CASE("nodeway: four workers eject a failing endpoint after as many failures as one",
          "[integration][ejection]") {
  test::Upstream odd{test::answer(503, "no")};
  test::Upstream one{test::answer(200, "ok")};
  test::Upstream two{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.set_config(with_rules("minPenalty: 10m"));
  cluster.add_service("cart.shop", 80, {odd.endpoint(), one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .args = {"--workers", "4"}}};
  // The kernel spreads them over the workers.
  std::vector<std::unique_ptr<test::H2Client>> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(std::make_unique<test::H2Client>(router.listen_port()));
  }

  int n_failed = 0;
  for (int round = 0; round < 10; ++round) {
    for (const auto& client : clients) {
      n_failed += client->get("cart.shop", "/").status == 200 ? 0 : 1;
    }
  }

  CHECK(n_failed == 5);
  CHECK(odd.requests_seen() == 5);
  CHECK(router.metric("nodeway_ejections_total", {{"cause", "consecutive"}}) == 1);
  CHECK(router.metric("nodeway_endpoints_ejected") == 1);
}
