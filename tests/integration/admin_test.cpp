// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/one_service.hpp"
#include "tests/support/http1_client.hpp"

#include <csignal>
#include <set>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

TEST_CASE("nodeway: /live and /ready answer 200 once it is ready", "[integration][admin]") {
  test::OneService path{test::answer(200, "ok")};

  CHECK(path.router.http_get("/live").status == 200);
  CHECK(path.router.http_get("/ready").status == 200);
  CHECK(path.router.http_get("/no/such/page").status == 404);
}

TEST_CASE("nodeway: /live and /ready answer at once while 64 admin clients are stuck",
          "[integration][admin][promise]") {
  // As many series as make a page that no socket takes whole, so that who does not read is stuck.
  constexpr int kServices = 1500;
  constexpr std::size_t kMoreThanSocketsTake = 4 << 20;
  test::ClusterFolder cluster;
  for (int i = 0; i < kServices; ++i) {
    cluster.add_service("s" + std::to_string(i) + ".shop", 80, {});
  }
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  for (int i = 0; i < kServices; ++i) {
    REQUIRE(client.get("s" + std::to_string(i) + ".shop", "/").status == 503);
  }
  REQUIRE(router.http_get("/metrics").body.size() > kMoreThanSocketsTake);
  std::vector<test::Http1Client> stuck;
  for (int i = 0; i < 64; ++i) {
    stuck.emplace_back(router.admin_port());
    // Half of them do not end their request, the others do not read their reply.
    stuck.back().send(i % 2 == 0 ? "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Unfini"
                                 : "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  }

  for (const std::string page : {"/live", "/ready", "/live", "/ready"}) {
    const auto began_at = test::SteadyClock::now();
    const int status = router.http_get(page).status;
    const auto took = test::SteadyClock::now() - began_at;

    CAPTURE(page, test::in_ms(took));
    CHECK(status == 200);
    CHECK(took < (test::is_sanitized() ? 5'000ms : 100ms));
  }
}

TEST_CASE("nodeway: /metrics has the names of the contract", "[integration][admin]") {
  test::OneService path{test::answer(200, "ok")};
  path.client.get("cart.shop", "/");
  path.client.get("nothing.shop", "/");
  path.router.wait_metric("nodeway_responses_total", 2);

  std::set<std::string> names;
  for (const test::Sample& sample : path.router.metrics()) {
    names.insert(sample.name);
  }

  for (const std::string name : {"nodeway_requests_total",
                                 "nodeway_responses_total",
                                 "nodeway_request_duration_seconds_count",
                                 "nodeway_request_duration_seconds_bucket",
                                 "nodeway_response_start_seconds_count",
                                 "nodeway_streams_open",
                                 "nodeway_upstream_connections",
                                 "nodeway_endpoints",
                                 "nodeway_config_valid",
                                 "nodeway_watch_synced",
                                 "nodeway_build_info"}) {
    CAPTURE(name);
    CHECK(names.count(name) == 1);
  }
}

TEST_CASE("nodeway: metrics tell what became of requests", "[integration][admin]") {
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    return request.header(":path") == "/s/Fails" ? test::grpc_trailers_only(3, "no")
                                                 : test::grpc_answer({"x"});
  }}};
  const test::Labels service{{"namespace", "shop"}, {"service", "cart"}, {"port", "80"}};
  const auto with = [&](test::Labels more) {
    more.insert(service.begin(), service.end());
    return more;
  };
  for (int i = 0; i < 3; ++i) {
    path.client.grpc("cart.shop", "/s/Works", "");
  }

  path.client.grpc("cart.shop", "/s/Fails", "");
  path.router.wait_metric("nodeway_responses_total", 4, service);

  CHECK(path.router.metric("nodeway_requests_total", service) == 4);
  CHECK(path.router.metric("nodeway_responses_total",
                           with({{"outcome", "success"}, {"grpc_status", "0"}})) == 3);
  CHECK(path.router.metric("nodeway_responses_total",
                           with({{"outcome", "failure"}, {"grpc_status", "3"}})) == 1);
  CHECK(path.router.metric("nodeway_request_duration_seconds_count", service) == 4);
  CHECK(path.router.metric("nodeway_streams_open", service) == 0);
}

TEST_CASE("nodeway: the admin port answers while requests are under way", "[integration][admin]") {
  test::OneService path{test::always({.held = true})};
  path.client.open_get("cart.shop", "/");
  path.upstream.wait_for_request(1);

  CHECK(path.router.metric("nodeway_streams_open") == 1);
  CHECK(path.router.metric("nodeway_upstream_connections", {{"state", "open"}}) == 1);
}
