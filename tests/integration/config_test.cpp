// SPDX-License-Identifier: Apache-2.0
// The configuration: hot, validated whole, and the last good one stays.
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;

namespace {

/// Whether the log has a line of at least a warning that contains all of `parts`.
bool log_tells(test::RouterProcess& router, const std::vector<std::string>& parts) {
  for (const std::string& line : router.child().stderr_lines()) {
    const bool has_all = std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
      return line.find(part) != std::string::npos;
    });
    if (has_all) {
      return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("nodeway: a change of the configuration holds without a restart",
          "[integration][config]") {
  test::OneService path{test::answer(200, "ok"), "version: 1\n"};
  REQUIRE(path.client.get("cart", "/").header("nodeway-error") == "unknown_service");

  path.cluster.set_config("version: 1\ndefaultNamespace: shop\n");

  test::eventually("the short name to mean the Service",
                   [&] { return path.client.get("cart", "/").status == 200; });
  CHECK(path.client.get("cart.shop", "/").status == 200);
}

TEST_CASE("nodeway: the balancer's policy can be changed under way", "[integration][config]") {
  test::Upstream one{test::answer(200, "one")};
  test::Upstream two{test::answer(200, "two")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {one.endpoint(), two.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  REQUIRE(client.get("cart.shop", "/").status == 200);

  cluster.set_config("version: 1\nservices: {cart.shop: {balancer: {policy: round_robin}}}\n");

  // Strictly in turn is what no other policy does for long.
  test::eventually("replies strictly in turn", [&] {
    std::string last = client.get("cart.shop", "/").body;
    for (int i = 0; i < 40; ++i) {
      const std::string body = client.get("cart.shop", "/").body;
      if (std::exchange(last, body) == body) {
        return false;
      }
    }
    return true;
  });
}

TEST_CASE("nodeway: a wrong configuration leaves the last good one in force",
          "[integration][config]") {
  test::OneService path{test::answer(200, "ok"), "version: 1\ndefaultNamespace: shop\n"};
  REQUIRE(path.client.get("cart", "/").status == 200);
  const double rejected_before = path.router.metric("nodeway_config_rejected_total");

  path.cluster.set_config("version: 1\ndefaultNamespac: other\n");

  test::eventually("the error to be logged", [&] {
    return log_tells(path.router, {"defaultNamespac", "defaultNamespace"});
  });
  CHECK(log_tells(path.router, {"2:1"}));  // line and column
  path.router.wait_metric("nodeway_config_rejected_total", rejected_before + 1);
  path.router.wait_metric("nodeway_config_valid", 0);
  CHECK(path.client.get("cart", "/").status == 200);
  const test::Reply ready = path.router.http_get("/ready");
  CHECK(ready.status == 200);
  CHECK_THAT(ready.body, Catch::Contains("defaultNamespac"));

  path.cluster.set_config("version: 1\ndefaultNamespace: shop\n");
  path.router.wait_metric("nodeway_config_valid", 1);
}

TEST_CASE("nodeway: what is wrong in a configuration is refused whole", "[integration][config]") {
  test::OneService path{test::answer(200, "ok"), "version: 1\ndefaultNamespace: shop\n"};

  const auto* const wrong =
      GENERATE("version: 2\n",
               "defaultNamespace: other\n",
               "version: 1\nversion: 1\n",
               "version: 1\ndefaults: {timeout: {connect: soon}}\n",
               "version: 1\ndefaults: {balancer: {policy: fastest}}\n",
               "version: 1\nroutes: []\n",
               "version: 1\ndefaults: [\n",
               "version: 1\nservices: {cart: {balancer: {policy: round_robin}}}\n");
  CAPTURE(wrong);
  path.cluster.set_config(wrong);

  path.router.wait_metric("nodeway_config_valid", 0);
  CHECK(path.client.get("cart", "/").status == 200);
}

TEST_CASE("nodeway: with a wrong first configuration it is not ready until that is mended",
          "[integration][config]") {
  test::Upstream upstream{test::answer(200, "ok")};
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\nsurprise: yes\n");
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path(), .wait_ready = false}};
  // Until everything has been read, that is the reason.
  test::eventually("/ready to say why", [&] {
    const test::Reply not_ready = router.http_get("/ready");
    return not_ready.status == 503 && not_ready.body.find("surprise") != std::string::npos;
  });

  cluster.set_config("version: 1\n");
  router.wait_ready();

  CHECK(router.http_get("/ready").status == 200);
  CHECK(test::H2Client{router.listen_port()}.get("cart.shop", "/").status == 200);
}

TEST_CASE("nodeway: a configuration that is removed leaves the last good one in force",
          "[integration][config]") {
  test::OneService path{test::answer(200, "ok"), "version: 1\ndefaultNamespace: shop\n"};
  REQUIRE(path.client.get("cart", "/").status == 200);

  // It may have been deleted by mistake, or to be made anew.
  path.cluster.remove_config();
  test::Upstream next{test::answer(200, "next")};
  path.cluster.add_service("cart.shop", 80, {next.endpoint()});

  // The later change has come, so that the removal has been seen.
  test::eventually("the next endpoint to be used",
                   [&] { return path.client.get("cart.shop", "/").body == "next"; });
  CHECK(path.client.get("cart", "/").status == 200);
}

TEST_CASE("nodeway: --config takes a file instead, and watches it", "[integration][config]") {
  test::ClusterFolder files;
  files.write_raw("config.txt", "version: 1\ndefaultNamespace: shop\n");
  const std::string file = (files.path() / "config.txt").string();
  test::OneService path{test::answer(200, "ok"), {}, {"--config", file}};
  REQUIRE(path.client.get("cart", "/").status == 200);

  files.write_raw("config.txt", "version: 1\ndefaultNamespace: other\n");

  test::eventually("the file's change to hold", [&] {
    return path.client.get("cart", "/").header("nodeway-error") == "unknown_service";
  });
}

TEST_CASE("nodeway: --config beside a folder that holds the ConfigMap is refused",
          "[integration][config]") {
  test::ClusterFolder cluster;
  cluster.set_config("version: 1\n");
  cluster.write_raw("config.txt", "version: 1\n");

  const test::CommandResult result = test::run_nodeway({"run",
                                                        "--source",
                                                        "files:" + cluster.path().string(),
                                                        "--config",
                                                        (cluster.path() / "config.txt").string(),
                                                        "--listen",
                                                        "127.0.0.1:0",
                                                        "--admin",
                                                        "127.0.0.1:0"});

  CHECK(result.exit_code == 2);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') >= 1);
  CHECK_THAT(result.err, Catch::Contains("nodeway: --config: the folder of --source holds"));
}

TEST_CASE("nodeway: a broken file of the folder is reported, its last good content stays",
          "[integration][config]") {
  test::OneService path{test::answer(200, "ok")};
  REQUIRE(path.client.get("cart.shop", "/").status == 200);

  path.cluster.write_raw("cart.shop.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: [\n");

  test::eventually("the error to be logged",
                   [&] { return log_tells(path.router, {"cart.shop.yaml"}); });
  CHECK(path.client.get("cart.shop", "/").status == 200);
}
