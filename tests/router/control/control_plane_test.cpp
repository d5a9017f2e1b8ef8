// SPDX-License-Identifier: Apache-2.0
#include "router/control/control_plane.hpp"

#include "tests/k8s_client/scratch_folder.hpp"
#include "tests/router/control/kube_objects.hpp"
#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;

namespace {

/// What the source did, and what it is to say; outlives it.
struct Script {
  bool started = false;
  bool stopped = false;
  std::vector<k8s_client::EventNote> events;
  bool events_fail = false;
  std::string services_error;
};

/// A source that leaves the stores to the test.
class ScriptedSource final : public k8s_client::Source {
 public:
  ScriptedSource(Script& script, const k8s_client::Stores& stores)
      : script_{script}, stores_{stores} {}

  void start() override { script_.started = true; }
  void stop() override { script_.stopped = true; }

  [[nodiscard]] std::vector<k8s_client::WatchStatus> status() const override {
    k8s_client::WatchStatus services;
    services.resource = "services";
    services.synced = stores_.services.is_synced();
    services.last_error = script_.services_error;
    return {services};
  }

  [[nodiscard]] std::optional<std::string> doubt_about_config_map(
      const k8s_client::ConfigMap* /*known*/) const override {
    return std::nullopt;
  }

  [[nodiscard]] boost::asio::awaitable<k8s_client::Result<void>> create_event(
      k8s_client::EventNote note) override {
    script_.events.push_back(std::move(note));
    if (script_.events_fail) {
      co_return k8s_client::Failure{k8s_client::Errc::forbidden, "events is forbidden"};
    }
    co_return k8s_client::Result<void>{};
  }

 private:
  Script& script_;
  const k8s_client::Stores& stores_;
};

struct Logged {
  LogLevel level;
  std::string message;
  std::string error;
};

/// A control plane whose cluster and time belong to the test.
struct Bench {
  explicit Bench(ControlPlane::Options options = {})
      : control{loop.get_executor(),
                clock,
                std::move(options),
                [this](LogLevel level, std::string_view message, std::string_view error) {
                  log.push_back({level, std::string{message}, std::string{error}});
                },
                [this](SnapshotPtr snapshot) {
                  was_ready_in_publish = control.is_ready();
                  published.push_back(std::move(snapshot));
                }} {}

  void start() {
    control.start(std::make_unique<ScriptedSource>(script, control.stores()));
    clock.settle();
  }

  void sync_cluster() {
    auto& stores = control.stores();
    stores.services.replace({test::service("cart", {test::service_port(80)})});
    stores.endpoint_slices.replace({test::slice("cart-a", "cart", {test::endpoint("10.0.0.1")})});
    clock.advance(1s);
  }

  /// Text of the ConfigMap; nothing: there is none.
  void sync_config(const std::optional<std::string>& text,
                   const std::string& ns = "nodeway-system") {
    std::vector<k8s_client::ConfigMap> objects;
    if (text) {
      objects.push_back(config_map(*text, ns));
    }
    control.stores().config_maps.replace(std::move(objects));
    clock.advance(1s);
  }

  void put_config(const std::string& text) {
    control.stores().config_maps.put(config_map(text, "nodeway-system"));
    clock.advance(1s);
  }

  static k8s_client::ConfigMap config_map(const std::string& text, const std::string& ns) {
    k8s_client::ConfigMap object;
    object.meta.key = {.ns = ns, .name = "nodeway"};
    object.meta.uid = "uid-of-config";
    object.data["nodeway.yaml"] = text;
    return object;
  }

  [[nodiscard]] Policy cart_policy() const {
    return published.back()->services.at("cart.shop")->ports.front().policy;
  }

  boost::asio::io_context loop;
  test::SimClock clock{loop};
  Script script;
  std::vector<Logged> log;
  std::vector<SnapshotPtr> published;
  bool was_ready_in_publish = false;
  ControlPlane control;
};

const std::string kGood = "{version: 1, defaults: {timeout: {connect: 2s}}}";
const std::string kWrong = "version: 1\ndefaults: {timeout: {conect: 2s}}\n";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("ControlPlane: nothing is published before cluster and configuration were read",
          "[control_plane]") {
  Bench bench;
  bench.start();
  CHECK(bench.script.started);
  CHECK_FALSE(bench.control.is_ready());
  CHECK(has(bench.control.status().not_ready_reason, "Services and EndpointSlices"));

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
  CHECK(bench.published.back()->services.contains("cart.shop"));
  CHECK_FALSE(bench.was_ready_in_publish);  // ready is what the cores have, not what they will get
  CHECK(bench.control.is_ready());
  CHECK(bench.control.status().ready);
  CHECK(bench.control.status().not_ready_reason.empty());
}

TEST_CASE("ControlPlane: why it is not ready includes what the watch says", "[control_plane]") {
  Bench bench;
  bench.script.services_error = "connection refused";
  bench.start();

  bench.clock.advance(kStatusInterval);

  CHECK(bench.control.status().not_ready_reason ==
        "Services and EndpointSlices have not been read yet: connection refused");
}

TEST_CASE("ControlPlane: an empty cluster is ready too", "[control_plane]") {
  Bench bench;
  bench.start();

  bench.control.stores().services.replace({});
  bench.control.stores().endpoint_slices.replace({});
  bench.sync_config(std::nullopt);

  REQUIRE(bench.published.size() == 1);
  CHECK(bench.published.back()->services.empty());
  CHECK(bench.control.is_ready());
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
  const auto& endpoints = bench.published.back()->services.at("cart.shop")->ports[0].endpoints;
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
  REQUIRE(status.watches.size() == 1);
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

TEST_CASE("ControlPlane: a wrong configuration is told by log, status and Event, once",
          "[control_plane]") {
  Bench bench{{.reporter = "node-1"}};
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);
  bench.log.clear();

  bench.put_config(kWrong);
  bench.clock.advance(10s);

  CHECK(bench.cart_policy().connect_timeout == 2s);  // the last good one
  CHECK(bench.control.is_ready());
  CHECK_FALSE(bench.control.status().config.valid);
  CHECK(has(bench.control.status().config.error, "2:22: defaults.timeout.conect"));
  REQUIRE(bench.log.size() == 1);
  CHECK(bench.log[0].level == LogLevel::error);
  CHECK(has(bench.log[0].message, "the last good configuration stays in force"));
  CHECK(has(bench.log[0].error, "2:22: "));
  REQUIRE(bench.script.events.size() == 1);
  const k8s_client::EventNote& event = bench.script.events[0];
  CHECK(event.type == k8s_client::EventNote::Type::warning);
  CHECK(event.about.uid == "uid-of-config");
  CHECK(event.reason == "InvalidConfiguration");
  CHECK(has(event.message, "2:22: defaults.timeout.conect"));
  CHECK(event.reporter == "node-1");
}

TEST_CASE("ControlPlane: an Event that cannot be made is logged", "[control_plane]") {
  Bench bench;
  bench.script.events_fail = true;
  bench.start();

  bench.sync_config(kWrong);

  REQUIRE_FALSE(bench.log.empty());
  CHECK(bench.log.back().level == LogLevel::warning);
  CHECK(bench.log.back().error == "events is forbidden");
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
  CHECK(bench.control.status().config.error == "it has no key nodeway.yaml");
}

TEST_CASE("ControlPlane: a deleted configuration stays in force", "[control_plane]") {
  Bench bench;
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);

  bench.control.stores().config_maps.erase({.ns = "nodeway-system", .name = "nodeway"});
  bench.control.stores().services.put(test::service("bank", {test::service_port(80)}));
  bench.clock.advance(1s);

  REQUIRE(bench.published.back()->services.contains("bank.shop"));
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
