// SPDX-License-Identifier: Apache-2.0
// The router with an API server that is out of reach, and what a process before it has left.
#include "tests/support/cluster_folder.hpp"
#include "tests/support/dns_server.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

std::string boot_id() {
  std::string id;
  std::ifstream{"/proc/sys/kernel/random/boot_id"} >> id;
  return id;
}

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// Service `cart.shop` with port 80 and one endpoint, saved a minute ago.
json saved_view(std::uint16_t endpoint_port) {
  const auto meta = [](const char* name) {
    return json{{"name", name}, {"namespace", "shop"}, {"resourceVersion", "7"}};
  };
  const std::int64_t at = now_ms() - 60'000;
  json slice = {{"apiVersion", "discovery.k8s.io/v1"},
                {"kind", "EndpointSlice"},
                {"metadata", meta("cart-1")},
                {"addressType", "IPv4"}};
  slice["metadata"]["labels"] = json{{"kubernetes.io/service-name", "cart"}};
  slice["endpoints"] = json::array({json{{"addresses", json::array({"127.0.0.1"})}}});
  slice["ports"] = json::array({json{{"name", ""}, {"port", endpoint_port}}});
  json service = {{"apiVersion", "v1"}, {"kind", "Service"}, {"metadata", meta("cart")}};
  service["spec"]["ports"] = json::array({json{{"port", 80}}});
  const json header = {{"apiVersion", "nodeway/v1"},
                       {"kind", "SavedView"},
                       {"format", 1},
                       {"bootId", boot_id()},
                       {"node", "node-1"},
                       {"savedAtMs", at},
                       {"asOfMs", at},
                       {"objects", 2}};
  return {{"apiVersion", "v1"}, {"kind", "List"}, {"items", json::array({header, service, slice})}};
}

/// A folder for the saved view, beside a kubeconfig whose API server refuses each connection.
struct Outage {
  Outage() {
    std::filesystem::create_directory(folder());
    cluster.write_raw("kubeconfig",
                      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                      "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
                      "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
                      "users: [{name: u, user: {token: t}}]\n");
  }

  [[nodiscard]] std::filesystem::path folder() const { return cluster.path() / "view"; }
  [[nodiscard]] std::filesystem::path file() const { return folder() / "saved-view.json"; }

  void leave(const std::string& text) const { std::ofstream{file()} << text; }

  [[nodiscard]] test::RouterProcess::Options router(
      bool wait_ready = true, const std::vector<std::string>& more_args = {}) const {
    std::vector<std::string> args{"--kubeconfig",
                                  cluster.path() / "kubeconfig",
                                  "--node",
                                  "node-1",
                                  "--saved-view",
                                  folder()};
    args.insert(args.end(), more_args.begin(), more_args.end());
    return {.args = std::move(args), .wait_ready = wait_ready};
  }

  test::ClusterFolder cluster;
};

}  // namespace

TEST_CASE("nodeway: without the API server it serves at once from the saved view, and says so",
          "[integration][saved_view]") {
  test::Upstream upstream{test::answer(200, "pong")};
  const Outage outage;
  outage.leave(saved_view(upstream.endpoint().port).dump());
  test::RouterProcess router{outage.router()};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("cart.shop", "/").body == "pong");
  CHECK_THAT(router.http_get("/ready?verbose=1").body, Catch::Contains("[-] saved view: served, "));
  CHECK(router.metric("nodeway_saved_view_served") == 1);
  CHECK(router.metric("nodeway_saved_view_age_seconds") >= 60);
  REQUIRE(router.stop() == 0);
  CHECK_THAT(router.child().stderr_text(), Catch::Contains("serving from a saved view"));

  // The next one finds what it has left: it has said again that it serves from that.
  test::RouterProcess next{outage.router()};
  test::H2Client again{next.listen_port()};
  CHECK(again.get("cart.shop", "/").body == "pong");
  CHECK(next.metric("nodeway_saved_view_age_seconds") >= 60);
}

TEST_CASE("nodeway: without DNS it serves the addresses of the saved view, at once",
          "[integration][saved_view][external]") {
  test::DnsServer dns;
  dns.set("api.example.com", {.is_silent = true});
  Outage outage;
  outage.cluster.write_raw("nodeway.yaml", "version: 1\nexternalNames: [api.example.com]\n");
  json view = saved_view(1);
  view["items"][0]["externalNames"] =
      json::array({{{"name", "api.example.com"},
                    {"addresses", json::array({"192.0.2.1", "2001:db8::1"})},
                    {"v4GoodAtMs", now_ms() - 3'600'000},
                    {"v6GoodAtMs", now_ms() - 3'600'000}}});
  outage.leave(view.dump());
  const std::vector<std::string> args{
      "--config", outage.cluster.path() / "nodeway.yaml", "--dns-server", dns.address()};

  test::RouterProcess router{outage.router(/*wait_ready=*/true, args)};

  CHECK(router.metric("nodeway_dns_addresses", {{"name", "api.example.com"}}) == 2);
  CHECK(router.metric("nodeway_dns_last_answer_age_seconds") >= 3'600);
  CHECK_THAT(router.child().stderr_text(), !Catch::Contains("without an answer of DNS"));
  const std::string admin = "http://127.0.0.1:" + std::to_string(router.admin_port());
  CHECK_THAT(test::run_nodeway({"stat", "-A", "--admin", admin}).out,
             Catch::Contains("api.example.com  2/2"));
  REQUIRE(router.stop() == 0);

  // What DNS said is in what it leaves, as old as it is.
  test::RouterProcess next{outage.router(/*wait_ready=*/true, args)};
  CHECK(next.metric("nodeway_dns_addresses", {{"name", "api.example.com"}}) == 2);
  CHECK(next.metric("nodeway_dns_last_answer_age_seconds") >= 3'600);
}

TEST_CASE("nodeway: --source files runs from a saved view as from any folder",
          "[integration][saved_view]") {
  test::Upstream upstream{test::answer(200, "pong")};
  const Outage outage;
  outage.leave(saved_view(upstream.endpoint().port).dump());
  test::RouterProcess router{{.source = outage.folder()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("cart.shop", "/").body == "pong");
}

TEST_CASE("nodeway: a torn saved view is told and not used", "[integration][saved_view]") {
  const Outage outage;
  const std::string whole = saved_view(1).dump();
  outage.leave(whole.substr(0, whole.size() - 10));
  test::RouterProcess router{outage.router(/*wait_ready=*/false)};

  CHECK(router.http_get("/ready").status == 503);
  REQUIRE(router.stop() == 0);
  CHECK_THAT(router.child().stderr_text(), Catch::Contains("the saved view is not used"));
  CHECK_THAT(router.child().stderr_text(), Catch::Contains("saved-view.json: is torn"));
}

TEST_CASE("nodeway: a full disk under the saved view is counted, and the router serves on",
          "[integration][saved_view]") {
  test::Upstream upstream{test::answer(200, "pong")};
  const Outage outage;
  outage.leave(saved_view(upstream.endpoint().port).dump());
  std::filesystem::create_symlink("/dev/full", outage.folder() / ".saved-view.json.new");
  test::RouterProcess router{outage.router()};
  test::H2Client client{router.listen_port()};

  router.wait_metric("nodeway_saved_view_write_errors_total", 1);

  CHECK(client.get("cart.shop", "/").body == "pong");
  REQUIRE(router.stop() == 0);
  CHECK_THAT(router.child().stderr_text(), Catch::Contains("No space left on device"));
}
