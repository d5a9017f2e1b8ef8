// SPDX-License-Identifier: Apache-2.0
#include "router/admin/pages.hpp"

#include "router/control/control_plane.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/core.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;
using namespace router;
using admin::Page;
using admin::Pages;

namespace {

/// What the pages tell of; the test changes it between two of them.
struct World {
  telemetry::CoreMetrics core;
  control::ControlStatus control;
  std::vector<control::EndpointSince> known{};
  bool is_draining = false;
  std::chrono::steady_clock::time_point now{1h};
  Pages pages{{.cores = {&core},
               .control = [this] { return control; },
               .endpoints = [] { return std::vector<EndpointView>(1); },
               .show_endpoints =
                   [this](const control::EndpointFilter& filter, const auto& visit) {
                     for (const control::EndpointSince& each : known) {
                       if (filter.takes(each.service_namespace, each.service)) {
                         visit(each);
                       }
                     }
                   },
               .is_draining = [this] { return is_draining; },
               .now = [this] { return now; },
               .version = "1.2.3"}};
};

}  // namespace

TEST_CASE("/ready: 503 with the reason until the cluster has been seen, then 200", "[admin]") {
  World world;
  world.control.not_ready_reason = "services: not listed yet";

  world.control.config.valid = true;

  const Page before = world.pages.ready({});
  world.control.ready = true;
  const Page after = world.pages.ready({});

  CHECK(before.status == 503);
  CHECK(before.body == "not ready: services: not listed yet\n");
  CHECK(after.status == 200);
  CHECK(after.body == "ready\n");
}

TEST_CASE("/ready: 503 again while draining", "[admin]") {
  World world;
  world.control.ready = true;
  world.control.config.valid = true;
  world.is_draining = true;

  CHECK(world.pages.ready({}).status == 503);
  CHECK(world.pages.ready({}).body == "not ready: draining\n");
}

TEST_CASE("/ready: a wrong configuration leaves it ready and says where it is wrong", "[admin]") {
  World world;
  world.control.ready = true;
  control::ConfigStatus& config = world.control.config;
  config.origin = "ConfigMap nodeway-system/nodeway";
  config.present = true;
  config.error = "3:7: decay: wrong";
  config.error_count = 2;

  const Page page = world.pages.ready({});

  CHECK(page.status == 200);
  CHECK(page.body ==
        "ready\nconfiguration: ConfigMap nodeway-system/nodeway: 3:7: decay: wrong (and 1 more)\n");
}

TEST_CASE("/ready?verbose=1: one line for each part", "[admin]") {
  World world;
  world.control.not_ready_reason = "endpointslices: not listed yet";
  world.control.watches.resize(2);
  world.control.watches[0].resource = "services";
  world.control.watches[0].synced = true;
  world.control.watches[0].watching = true;
  world.control.watches[0].resource_version = "4711";
  world.control.watches[0].last_contact_at = world.now - 12s;
  world.control.watches[0].last_event_at = world.now - 40s;
  world.control.watches[0].last_bookmark_at = world.now - 12s;
  world.control.watches[0].reconnects = 3;
  world.control.watches[1].resource = "endpointslices";
  world.control.watches[1].last_error = "connection refused";
  world.control.config.valid = true;  // as there is none

  const std::string value = GENERATE("1", "");
  const Page page = world.pages.ready({{"verbose", value}});

  CHECK(page.body ==
        "not ready: endpointslices: not listed yet\n"
        "[+] services: seen whole; version 4711; last sign of life 12s ago; last event 40s ago; "
        "last bookmark 12s ago; reconnects: 3\n"
        "[-] endpointslices: not seen yet; connection refused\n"
        "[+] configuration: none; the defaults are in force\n"
        "[-] routing: endpointslices: not listed yet\n"
        "[+] serving: yes\n");
}

TEST_CASE("/ready?verbose=1: a view that may be stale is told, and leaves it ready", "[admin]") {
  World world;
  world.control.ready = true;
  world.control.watches.resize(1);
  k8s_client::WatchStatus& watch = world.control.watches[0];
  watch.resource = "services";
  watch.synced = true;
  watch.last_contact_at = world.now - 150s;
  watch.last_error = "Connection refused";

  const Page page = world.pages.ready({{"verbose", "1"}});

  CHECK(page.status == 200);
  CHECK(page.body.find("[-] services: seen whole; last sign of life 150s ago; no watch open; "
                       "Connection refused\n") != std::string::npos);
  watch.last_contact_at = world.now - 149s;
  CHECK(world.pages.ready({{"verbose", "1"}}).body.find("[+] services") != std::string::npos);
}

TEST_CASE("/ready?verbose=1: says which external names DNS does not answer for", "[admin]") {
  World world;
  world.control.ready = true;
  const auto tells = [&world](const std::string& line) {
    return world.pages.ready({{"verbose", "1"}}).body.find(line) != std::string::npos;
  };
  CHECK_FALSE(tells("external names"));

  world.control.dns.names = {{.name = "api.example.com", .addresses = 2, .good_at = world.now}};
  CHECK(tells("[+] external names: as DNS has them\n"));
  world.control.dns.names[0].error = "A: timeout";
  world.control.dns.names.push_back({.name = "db.example.com"});
  CHECK(
      tells("[-] external names: api.example.com: A: timeout, 2 addresses in use; "
            "db.example.com: no answer yet, 0 addresses in use\n"));
}

TEST_CASE("/ready?verbose=1: says that a saved view is served, or cannot be written", "[admin]") {
  World world;
  world.control.ready = true;
  control::SavedViewStatus& view = world.control.saved_view;
  const auto tells = [&world](const std::string& line) {
    const Page page = world.pages.ready({{"verbose", "1"}});
    CHECK(page.status == 200);
    return page.body.find(line) != std::string::npos;
  };
  CHECK_FALSE(tells("saved view"));

  view.is_kept = true;
  CHECK(tells("[+] saved view: not written yet\n"));
  view.saved_at = world.now - 3s;
  CHECK(tells("[+] saved view: written 3s ago\n"));
  view.last_error = "/x: No space left on device";
  CHECK(tells("[-] saved view: cannot be written: /x: No space left on device\n"));
  view.served_as_of = world.now - 42s;
  CHECK(tells("[-] saved view: served, 42s old, until the cluster has been seen whole\n"));
}

TEST_CASE("/ready?verbose=1: a configuration that was not read is no absent one", "[admin]") {
  World world;
  world.control.config.origin = "ConfigMap nodeway-system/nodeway";

  const Page page = world.pages.ready({{"verbose", "1"}});

  CHECK(page.body.find(
            "[-] configuration: ConfigMap nodeway-system/nodeway has not been read yet\n") !=
        std::string::npos);
  CHECK(nlohmann::json::parse(world.pages.config().body).at("valid") == false);
}

TEST_CASE("/metrics: is the text format of Prometheus", "[admin]") {
  const World world;

  const Page page = world.pages.metrics();

  CHECK(page.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(page.body.find("nodeway_build_info{version=\"1.2.3\"} 1") != std::string::npos);
  CHECK(page.body.find("\nprocess_open_fds 0\n") ==
        std::string::npos);  // read from the kernel, so never none
}

TEST_CASE("/api/v1/stat: tells the traffic of the window", "[admin]") {
  World world;
  world.control.rows.push_back(
      {.service_namespace = "calc", .service = "add", .port = 80, .ready = 3, .known = 3});
  telemetry::ServiceMetrics& add = world.core.add_service("calc", "add", "80");
  add.add_response({.success = false, .http_class = 5}, 1ms, 4ms);
  for (int i = 0; i < 30; ++i) {
    world.now += 5s;
    world.pages.sample();
    add.add_response({.success = true, .http_class = 2}, 1ms, 4ms);
  }

  const Page page = world.pages.stat({{"window", "30s"}});

  REQUIRE(page.status == 200);
  const auto json = nlohmann::json::parse(page.body);
  CHECK(json.at("window_seconds") == 30);
  REQUIRE(json.at("rows").size() == 1);
  CHECK(json.at("rows")[0].at("name") == "add");
  CHECK(json.at("rows")[0].at("endpoints_ready") == 3);
  CHECK(json.at("rows")[0].at("success_ratio") == 1.0);
  CHECK(json.at("rows")[0].at("rps").get<double>() == Approx(7 / 30.0));
}

TEST_CASE("/api/v1/stat: a window that is none is refused with one line", "[admin]") {
  const World world;
  const std::string window = GENERATE("9s", "11m", "x", "-1m", "1");

  const Page page = world.pages.stat({{"window", window}});

  CHECK(page.status == 400);
  CHECK(page.body == "window: '" + window + "' is no duration from 10s to 10m\n");
}

TEST_CASE("/api/v1/endpoints, config and watches: are JSON objects", "[admin]") {
  World world;
  world.control.watches.resize(1);
  world.control.watches[0].resource = "services";
  world.control.watches[0].resource_version = "7";
  world.control.watches[0].last_contact_at = world.now - 2s;
  world.control.watches[0].last_event_at = world.now - 3s;
  world.control.config.origin = "file x";
  world.control.config.present = true;
  world.control.config.valid = true;

  const auto endpoints = nlohmann::json::parse(world.pages.endpoints({}).body);
  const auto config = nlohmann::json::parse(world.pages.config().body);
  const auto watches = nlohmann::json::parse(world.pages.watches().body);

  CHECK(endpoints.at("rows").size() == 1);
  CHECK(endpoints.at("view") == watches.at("rows"));
  CHECK(endpoints.at("saved_view_age_seconds").is_null());
  CHECK(config.at("origin") == "file x");
  CHECK(config.at("valid") == true);
  CHECK(config.at("last_applied").is_null());
  REQUIRE(watches.at("rows").size() == 1);
  CHECK(watches.at("rows")[0].at("fresh") == false);  // not synced
  CHECK(watches.at("rows")[0].at("resource_version") == "7");
  CHECK(watches.at("rows")[0].at("last_contact_age_seconds") == 2);
  CHECK(watches.at("rows")[0].at("last_event_age_seconds") == 3);
  CHECK(watches.at("rows")[0].at("last_bookmark_age_seconds").is_null());
}

TEST_CASE("/api: is for peers on this machine itself", "[admin]") {
  CHECK(admin::is_loopback("127.0.0.1"));
  CHECK(admin::is_loopback("127.9.9.9"));
  CHECK(admin::is_loopback("::1"));
  CHECK(admin::is_loopback("::ffff:127.0.0.1"));
  CHECK_FALSE(admin::is_loopback("10.0.0.127"));
  CHECK_FALSE(admin::is_loopback("::ffff:10.0.0.1"));
  CHECK_FALSE(admin::is_loopback("fe80::1"));
  CHECK_FALSE(admin::is_loopback(""));
  CHECK(admin::forbidden_page().status == 403);
}

TEST_CASE("/api/v1/endpoints: lists what no worker has looked at, of the wanted Service",
          "[admin]") {
  World world;
  for (const char* const service : {"cart", "bank"}) {
    world.known.push_back({.service_namespace = "shop",
                           .service = service,
                           .port = 80,
                           .address = "10.0.0.1:8080",
                           .pod = "cart-0",
                           .first_seen = world.now - 9s});
  }
  const auto rows = [&world](const admin::Query& query) {
    return nlohmann::json::parse(world.pages.endpoints(query).body).at("rows");
  };

  CHECK(rows({}).size() == 3);  // and the one that a worker told of
  CHECK(rows({{"namespace", "shop"}}).size() == 2);
  CHECK(rows({{"namespace", "other"}}).empty());
  const auto of_cart = rows({{"namespace", "shop"}, {"service", "cart"}});
  REQUIRE(of_cart.size() == 1);
  CHECK(of_cart[0].at("service") == "cart");
  CHECK(of_cart[0].at("state") == "unused");
  CHECK(of_cart[0].at("pod") == "cart-0");
  CHECK(of_cart[0].at("age_seconds") == 9);
}
