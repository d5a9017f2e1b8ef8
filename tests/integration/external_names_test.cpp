// SPDX-License-Identifier: Apache-2.0
// Names outside of the cluster (docs/configuration.md, `externalNames`); a DNS server of our own
// knows them.
#include "tests/support/cluster_folder.hpp"
#include "tests/support/dns_server.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <string>

#include <catch2/catch.hpp>

namespace {

/// A router that asks `dns`, and allows `api.example.com` at the port of `upstream`.
struct Outside {
  Outside() {
    cluster.set_config("version: 1\nexternalNames: ['" + authority + "']");
    cluster.write_raw("pay.yaml",
                      "apiVersion: v1\nkind: Service\nmetadata: {name: pay, namespace: shop}\n"
                      "spec: {type: ExternalName, externalName: api.example.com}\n"
                      "---\napiVersion: v1\nkind: Service\n"
                      "metadata: {name: other, namespace: shop}\n"
                      "spec: {type: ExternalName, externalName: other.example.com}\n");
  }

  [[nodiscard]] test::RouterProcess::Options options(bool wait_ready = true) const {
    return {.source = cluster.path(),
            .args = {"--dns-server", dns.address()},
            .wait_ready = wait_ready};
  }

  test::Upstream upstream{test::answer(200, "outside")};
  test::DnsServer dns;
  test::ClusterFolder cluster;
  std::string authority = "api.example.com:" + std::to_string(upstream.port());
};

}  // namespace

TEST_CASE("nodeway: an allowed name outside of the cluster is resolved by DNS",
          "[integration][external]") {
  Outside outside;
  outside.dns.set("api.example.com", {.v4 = {"127.0.0.1"}});
  outside.dns.set("other.example.com", {.v4 = {"127.0.0.1"}});
  test::RouterProcess router{outside.options()};
  test::H2Client client{router.listen_port()};

  CHECK(client.get(outside.authority, "/").body == "outside");
  CHECK(client.get("pay.shop", "/").body == "outside");
  CHECK(client.get("node", "/", {{"l5d-dst-override", outside.authority}}).body == "outside");
  CHECK(router.metric("nodeway_requests_total", {{"namespace", "shop"}, {"service", "pay"}}) == 1);
  CHECK(router.metric("nodeway_requests_total", {{"service", "api.example.com"}}) == 2);
  CHECK(router.metric("nodeway_dns_lookups_total", {{"outcome", "answered"}}) == 1);
  CHECK(router.metric("nodeway_dns_addresses", {{"name", "api.example.com"}}) == 1);
  CHECK(client.get("api.example.com:1", "/").header("nodeway-error") == "unknown_port");
  const std::string admin = "http://127.0.0.1:" + std::to_string(router.admin_port());
  CHECK_THAT(test::run_nodeway({"stat", "-A", "--admin", admin}).out,
             Catch::Contains("-          api.example.com  1/1"));
}

TEST_CASE("nodeway: a name that is not allowed is refused with a hint, and not looked up",
          "[integration][external]") {
  Outside outside;
  outside.dns.set("other.example.com", {.v4 = {"127.0.0.1"}});
  test::RouterProcess router{outside.options()};
  test::H2Client client{router.listen_port()};

  const test::Reply by_name = client.get("other.example.com", "/");
  const test::Reply by_service = client.get("other.shop", "/");

  CHECK(by_name.status == 404);
  CHECK(by_name.header("nodeway-error") == "unknown_service");
  CHECK_THAT(by_name.body, Catch::Contains("externalNames"));
  CHECK(by_service.header("nodeway-error") == "unknown_service");
  CHECK_THAT(by_service.body, Catch::Contains("other.shop is of type ExternalName"));
  CHECK(outside.dns.questions("other.example.com") == 0);

  outside.cluster.set_config("version: 1\nexternalNames: ['other.example.com:" +
                             std::to_string(outside.upstream.port()) + "']");
  test::eventually("the configuration to allow it",
                   [&] { return client.get("other.shop", "/").body == "outside"; });
}

TEST_CASE("nodeway: a name outside of the cluster without an address is no_endpoints",
          "[integration][external]") {
  Outside outside;
  outside.dns.set("api.example.com", {.v4 = {"169.254.169.254"}});
  test::RouterProcess router{outside.options()};
  test::H2Client client{router.listen_port()};

  const test::Reply reply = client.get("pay.shop", "/");

  CHECK(reply.status == 503);
  CHECK(reply.header("nodeway-error") == "no_endpoints");
  CHECK_THAT(reply.body, Catch::Contains("DNS has no address for api.example.com"));
}

TEST_CASE("nodeway: an address that cannot be connected is left for the next one of the name",
          "[integration][external]") {
  Outside outside;
  outside.dns.set("api.example.com", {.v4 = {"127.0.0.1", "127.0.0.2"}, .v6 = {"::1"}});
  test::RouterProcess router{outside.options()};
  test::H2Client client{router.listen_port()};

  for (int i = 0; i < 20; ++i) {
    CHECK(client.get("pay.shop", "/").body == "outside");  // the upstream is on 127.0.0.1 alone
  }
  CHECK(router.metric("nodeway_repicks_total", {{"service", "pay"}}) >= 1);
}

TEST_CASE("nodeway: is not ready before DNS has answered, and serves what it can meanwhile",
          "[integration][external]") {
  Outside outside;
  outside.dns.set("api.example.com", {.is_silent = true});
  outside.cluster.add_service("cart.shop", 80, {outside.upstream.endpoint()});
  test::RouterProcess router{outside.options(/*wait_ready=*/false)};
  test::H2Client client{router.listen_port()};
  test::eventually("the Services to be served",
                   [&] { return client.get("cart.shop", "/").status == 200; });

  const test::Reply waiting = router.http_get("/ready");
  CHECK(waiting.status == 503);
  CHECK_THAT(waiting.body, Catch::Contains("DNS has not answered yet for api.example.com"));
  outside.dns.set("api.example.com", {.v4 = {"127.0.0.1"}});  // the question is asked again
  router.wait_ready();

  CHECK(client.get(outside.authority, "/").body == "outside");
}
