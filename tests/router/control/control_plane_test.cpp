// SPDX-License-Identifier: Apache-2.0
#include "router/control/control_plane.hpp"

#include "tests/k8s_client/scratch_folder.hpp"
#include "tests/router/control/control_plane_bench.hpp"
#include "tests/router/control/kube_objects.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;
using test::Bench;
using test::has;
using test::kGood;
using test::kWrong;

TEST_CASE("ControlPlane: nothing is published before cluster and configuration were read",
          "[control_plane]") {
  Bench bench;
  bench.start();
  CHECK(bench.script.started);
  CHECK_FALSE(bench.control.is_ready());
  CHECK(has(bench.control.status().not_ready_reason,
            "Services, EndpointSlices, this Node, its Pods"));

  SECTION("the cluster first") {
    bench.sync_cluster();
    CHECK(bench.published.empty());
    CHECK(has(bench.control.status().not_ready_reason, "ConfigMap nodeway-system/nodeway"));
    bench.sync_config(std::nullopt);
  }
  SECTION("the configuration first") {
    bench.sync_config(std::nullopt);
    CHECK(bench.published.empty());
    CHECK(has(bench.control.status().not_ready_reason, "have not been read yet"));
    bench.sync_cluster();
  }

  REQUIRE_FALSE(bench.published.empty());
  CHECK(bench.published.back()->services.find("cart.shop") != nullptr);
  CHECK_FALSE(bench.was_ready_in_publish);  // ready is what the cores have, not what they will get
  CHECK(bench.control.is_ready());
  CHECK(bench.control.status().ready);
  CHECK(bench.control.status().not_ready_reason.empty());
}

TEST_CASE("ControlPlane: ready waits for the first answer of DNS for each external name",
          "[control_plane][external_names]") {
  Bench bench;
  bench.resolver.answers["api.example.com"] = test::dns_answer({"192.0.2.1"});
  bench.resolver.answers["db.example.com"] = test::dns_failure("timeout");
  bench.start();
  bench.sync_config("{version: 1, externalNames: [api.example.com, db.example.com]}");

  bench.sync_cluster();  // and a second for it

  REQUIRE_FALSE(bench.published.empty());  // the Services are served meanwhile
  CHECK_FALSE(bench.control.is_ready());
  CHECK(bench.control.status().not_ready_reason == "DNS has not answered yet for db.example.com");

  SECTION("which comes") {
    bench.resolver.answers["db.example.com"] = test::dns_answer({"192.0.2.2"});
    bench.clock.advance(2s);

    REQUIRE(bench.control.is_ready());
    const auto& at_ready = *bench.published.at(bench.n_published_at_ready - 1);
    CHECK(at_ready.services.find("db.example.com.")->ports[0].endpoints.size() == 1);
    CHECK_FALSE(has(bench.log.back().message, "ready without an answer"));
  }
  SECTION("which says that there is no address") {
    bench.resolver.answers["db.example.com"] = test::dns_answer({});
    bench.clock.advance(2s);

    CHECK(bench.control.is_ready());
  }
  SECTION("for a bounded time") {
    bench.clock.advance(kFirstAnswerWait - 2s);
    CHECK_FALSE(bench.control.is_ready());
    bench.clock.advance(2s);

    CHECK(bench.control.is_ready());
    CHECK(has(bench.log.back().message, "ready without an answer of DNS for db.example.com"));
  }
  CHECK(bench.times_ready == 1);
  CHECK(bench.was_ready_when_told);

  // Names that come later change nothing of it.
  bench.resolver.silent = {"new.example.com"};
  bench.put_config("{version: 1, externalNames: [new.example.com]}");
  CHECK(bench.control.is_ready());
}

TEST_CASE("ControlPlane: why it is not ready includes what the watch says", "[control_plane]") {
  Bench bench;
  bench.script.services_error = "connection refused";
  bench.start();

  bench.clock.advance(kStatusInterval);

  CHECK(bench.control.status().not_ready_reason ==
        "Services, EndpointSlices, this Node, its Pods have not been read yet: connection refused");
}

TEST_CASE("ControlPlane: why it is not ready includes why the ConfigMap cannot be read",
          "[control_plane]") {
  Bench bench;
  bench.script.config_maps_error = "HTTP 403: configmaps is forbidden";
  bench.start();

  bench.sync_cluster();

  CHECK(bench.control.status().not_ready_reason ==
        "ConfigMap nodeway-system/nodeway has not been read yet: "
        "HTTP 403: configmaps is forbidden");
  CHECK_FALSE(bench.control.status().config.valid);
}

TEST_CASE("ControlPlane: an empty cluster is ready too", "[control_plane]") {
  Bench bench;
  bench.start();

  bench.control.stores().services.replace({});
  bench.control.stores().endpoint_slices.replace({});
  bench.control.stores().nodes.replace({});
  bench.control.stores().pods.replace({});
  bench.sync_config(std::nullopt);

  REQUIRE(bench.published.size() == 1);
  CHECK(bench.published.back()->services.size() == 0);
  CHECK(bench.control.is_ready());
}

TEST_CASE("ControlPlane: this node's zone and pods are in the snapshot", "[control_plane]") {
  router::control::ControlPlane::Options options;
  options.node = "node-1";
  Bench bench{options};
  bench.start();
  bench.sync_config(std::nullopt);
  bench.sync_cluster();
  const auto endpoint_at = [](const char* address, const char* zone) {
    k8s_client::SliceEndpoint result = test::endpoint(address);
    result.hint_zones = {zone};
    return result;
  };
  bench.control.stores().endpoint_slices.put(test::slice(
      "cart-a", "cart", {endpoint_at("10.0.0.1", "zone-a"), endpoint_at("10.0.0.2", "zone-b")}));
  const auto n_endpoints = [&bench] {
    bench.clock.advance(std::chrono::seconds{1});
    return bench.published.back()->services.find("cart.shop")->ports.front().endpoints.size();
  };
  CHECK(n_endpoints() == 2);

  bench.control.stores().nodes.put({.meta = {{"", "node-2"}, "", ""}, .zone = "zone-a"});
  CHECK(n_endpoints() == 2);  // another node's
  bench.control.stores().nodes.put({.meta = {{"", "node-1"}, "", ""}, .zone = "zone-a"});
  CHECK(n_endpoints() == 1);
  bench.control.stores().nodes.erase({"", "node-1"});
  CHECK(n_endpoints() == 2);

  k8s_client::Pod pod;
  pod.meta.key = {"shop", "web-0"};
  pod.node_name = "node-1";
  pod.ips = {"10.0.0.7"};
  bench.control.stores().pods.put(pod);
  bench.clock.advance(std::chrono::seconds{1});
  CHECK(bench.published.back()->callers->pods.size() == 1);
}

TEST_CASE("ControlPlane: a burst of changes becomes few snapshots, and the last one is whole",
          "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  bench.sync_config(std::nullopt);
  const std::size_t before = bench.published.size();

  for (int i = 1; i <= 100; ++i) {  // 100 ms
    bench.control.stores().endpoint_slices.put(
        test::slice("cart-b", "cart", {test::endpoint("10.0.1." + std::to_string(i))}));
    bench.clock.advance(1ms);
  }
  bench.clock.advance(1s);

  CHECK(bench.published.size() - before == 6);  // at 0, 20, 40, 60, 80 and 100 ms
  const auto& endpoints = bench.published.back()->services.find("cart.shop")->ports[0].endpoints;
  REQUIRE(endpoints.size() == 2);
  CHECK(endpoints[1].address.address().to_string() == "10.0.1.100");
}

TEST_CASE("ControlPlane: status tells what is in force", "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);
  bench.control.stores().services.put(
      test::service("bank", {test::service_port(80), test::service_port(81, "b")}));
  bench.clock.advance(1s);

  const ControlStatus status = bench.control.status();

  CHECK(status.generation == bench.published.back()->generation);
  CHECK(status.services == 2);
  CHECK(status.endpoints == EndpointCounts{.ready = 1, .serving_terminating = 0, .not_ready = 0});
  REQUIRE(status.watches.size() == 2);
  CHECK(status.watches[0].synced);
  CHECK(status.config.valid);
  CHECK(status.config.applied == 1);
  CHECK(status.config.origin == "ConfigMap nodeway-system/nodeway");
  CHECK(status.rows ==
        std::vector<ServicePortRow>{
            {.service_namespace = "shop", .service = "bank", .port = 80, .ready = 0, .known = 0},
            {.service_namespace = "shop", .service = "bank", .port = 81, .ready = 0, .known = 0},
            {.service_namespace = "shop", .service = "cart", .port = 80, .ready = 1, .known = 1}});
}

TEST_CASE("ControlPlane: tells since when an endpoint could get requests", "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  const auto endpoints = [&bench] {
    std::vector<EndpointSince> all;
    bench.control.show_endpoints({}, [&all](const EndpointSince& each) { all.push_back(each); });
    return all;
  };
  CHECK(endpoints().empty());

  bench.clock.advance(5s);
  bench.sync_config(std::nullopt);
  bench.clock.advance(5s);
  bench.put_config(kGood);  // changes the Service's policy, not its endpoints

  REQUIRE(endpoints().size() == 1);
  CHECK(endpoints()[0].service == "cart");
  CHECK(endpoints()[0].first_seen - k8s_client::Clock::TimePoint{} < 7s);
}

TEST_CASE("ControlPlane: a configuration is in force at once, and a change of it too",
          "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();

  bench.sync_config(kGood);
  CHECK(bench.cart_policy().connect_timeout == 2s);

  bench.put_config("{version: 1, defaults: {timeout: {connect: 3s}}}");
  CHECK(bench.cart_policy().connect_timeout == 3s);
  CHECK(bench.control.status().config.applied == 2);
}

TEST_CASE("ControlPlane: wrong at first start means not ready until it is mended",
          "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();

  bench.sync_config(kWrong);
  CHECK(bench.published.empty());
  CHECK_FALSE(bench.control.is_ready());
  CHECK(bench.control.status().not_ready_reason ==
        "ConfigMap nodeway-system/nodeway: 2:22: defaults.timeout.conect: unknown field "
        "\"conect\"; did you mean connect?");

  bench.put_config(kGood);
  CHECK(bench.control.is_ready());
  CHECK(bench.cart_policy().connect_timeout == 2s);
}

TEST_CASE("ControlPlane: a ConfigMap without the key is wrong", "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  auto without = Bench::config_map("", "nodeway-system");
  without.data.clear();

  bench.control.stores().config_maps.replace({without});
  bench.clock.advance(1s);

  CHECK_FALSE(bench.control.is_ready());
  CHECK_THAT(bench.control.status().config.error,
             Catch::StartsWith("it has no key nodeway.yaml in its data"));
}

TEST_CASE("ControlPlane: a deleted configuration stays in force", "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);

  bench.control.stores().config_maps.erase({.ns = "nodeway-system", .name = "nodeway"});
  bench.control.stores().services.put(test::service("bank", {test::service_port(80)}));
  bench.clock.advance(1s);

  REQUIRE(bench.published.back()->services.find("bank.shop") != nullptr);
  CHECK(bench.cart_policy().connect_timeout == 2s);
  CHECK(has(bench.control.status().config.origin, "gone"));
}

TEST_CASE("ControlPlane: only the ConfigMap of its own namespace counts, unless any may",
          "[control_plane]") {
  const bool any = GENERATE(false, true);
  Bench bench{{.config_in_any_namespace = any}};
  bench.start();
  bench.sync_cluster();

  bench.sync_config(kGood, "default");

  CHECK(bench.cart_policy().connect_timeout == (any ? 2s : 1s));
}

TEST_CASE("ControlPlane: a configuration file stands in for the ConfigMap, and is watched",
          "[control_plane]") {
  test::ScratchFolder folder;
  folder.write("nodeway.yaml", kGood);
  Bench bench{{.config_file = folder.path() / "nodeway.yaml"}};
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kWrong);  // nobody looks at it
  REQUIRE(bench.control.is_ready());
  CHECK(bench.cart_policy().connect_timeout == 2s);

  folder.write_by_rename("nodeway.yaml", "{version: 1, defaults: {timeout: {connect: 4s}}}");
  bench.clock.advance(2s);
  CHECK(bench.cart_policy().connect_timeout == 4s);

  folder.write("nodeway.yaml", kWrong);
  bench.clock.advance(2s);
  CHECK(bench.cart_policy().connect_timeout == 4s);
  CHECK(has(bench.control.status().config.error, "2:22: "));
  CHECK(bench.script.events.empty());  // there is no object to tell of

  folder.remove("nodeway.yaml");
  bench.clock.advance(2s);
  CHECK(bench.cart_policy().connect_timeout == 4s);
  CHECK(bench.control.status().config.error == "No such file or directory");
}

TEST_CASE("ControlPlane: a configuration file that is not there yet is waited for",
          "[control_plane]") {
  test::ScratchFolder folder;
  Bench bench{{.config_file = folder.path() / "nodeway.yaml"}};
  bench.start();
  bench.sync_cluster();
  CHECK_FALSE(bench.control.is_ready());
  CHECK(has(bench.control.status().not_ready_reason, "No such file"));

  folder.write("nodeway.yaml", kGood);
  bench.clock.advance(2s);

  CHECK(bench.control.is_ready());
}

TEST_CASE("ControlPlane: an endpoint that cannot be connected is a question to the source",
          "[control_plane]") {
  Bench bench;
  const router::UnreachableEndpoint unreachable{
      .service_namespace = "shop",
      .service = "cart",
      .address = boost::asio::ip::make_address("10.0.0.1")};
  bench.control.recheck(unreachable);
  bench.start();
  CHECK(bench.script.rechecked.empty());

  bench.control.recheck(unreachable);
  CHECK(bench.script.rechecked == std::vector<std::string>{"shop/cart 10.0.0.1"});

  bench.control.stop();
  bench.control.recheck(unreachable);
  CHECK(bench.script.rechecked.size() == 1);
}

TEST_CASE("ControlPlane: after stop nothing is published, and the source is gone",
          "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  bench.sync_config(std::nullopt);
  const std::size_t before = bench.published.size();

  bench.control.stop();
  bench.control.stop();
  bench.control.stores().services.put(test::service("bank", {test::service_port(80)}));
  bench.clock.advance(1s);

  CHECK(bench.script.stopped);
  CHECK(bench.published.size() == before);
  CHECK(bench.control.status().ready);  // the last state is still told
}
