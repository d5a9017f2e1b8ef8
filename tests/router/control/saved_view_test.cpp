// SPDX-License-Identifier: Apache-2.0
// A control plane that keeps its view in a file, and the next one that finds it there.
#include "k8s_client/saved_view.hpp"

#include "router/control/control_plane.hpp"
#include "tests/k8s_client/scratch_folder.hpp"
#include "tests/router/control/control_plane_bench.hpp"
#include "tests/router/control/kube_objects.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;
using boost::asio::ip::make_address;
using test::Bench;
using test::has;
using test::kGood;
using test::kWrong;

namespace {

/// The folder of the saved view, and the thread that writes there: it does when the test says so.
struct Disk {
  [[nodiscard]] ControlPlane::Options options(std::string boot_id = "boot-1",
                                              std::string node = "node-1") {
    return {
        .node = std::move(node),
        .saved_view = ViewKeeper::Options{
            .folder = folder.path(), .boot_id = std::move(boot_id), .writer = loop.get_executor()}};
  }

  /// How many writes there were to do.
  std::size_t work() {
    loop.restart();
    return loop.poll();
  }

  test::ScratchFolder folder;
  boost::asio::io_context loop;
};

k8s_client::Pod web_pod(const std::string& ns) {
  k8s_client::Pod pod;
  pod.meta.key = {.ns = ns, .name = "web-0"};
  pod.node_name = "node-1";
  pod.ips = {"10.0.0.7"};
  return pod;
}

/// Lets time pass, with a disk that takes no more than 10 ms; how often it was written to.
std::size_t pass(Bench& bench, Disk& disk, k8s_client::Clock::Duration time) {
  constexpr auto kStep = 10ms;
  std::size_t writes = 0;
  for (; time > 0ms; time -= kStep) {
    bench.clock.advance(kStep);
    writes += disk.work();
    bench.clock.settle();
  }
  return writes;
}

/// A control plane that has seen the cluster, with a pod at 10.0.0.7, has saved it, and was killed.
void leave_saved_view(Disk& disk, const std::optional<std::string>& config = kGood) {
  Bench bench{disk.options()};
  bench.start();
  bench.sync_cluster();
  bench.control.stores().pods.put(web_pod("shop"));
  bench.sync_config(config);
  bench.clock.advance(2s);
  REQUIRE(disk.work() == 1);
}

/// Its successor, some time later.
struct Successor : Bench {
  explicit Successor(Disk& disk,
                     k8s_client::Clock::Duration later = 60s,
                     ControlPlane::Options options = {})
      : Bench{options.saved_view ? std::move(options) : disk.options()} {
    clock.advance(later);
    start();
  }

  [[nodiscard]] bool logged(std::string_view text) const {
    return std::ranges::any_of(log, [text](const test::Logged& line) {
      return has(line.message + ": " + line.error, text);
    });
  }

  [[nodiscard]] bool is_served() const {
    return control.status().saved_view.served_as_of.has_value();
  }

  /// The namespace of the pod at 10.0.0.7, "" if there is none.
  [[nodiscard]] std::string caller() const {
    const Caller found = published.back()->callers->find(make_address("10.0.0.7"));
    return found.pod == nullptr ? "" : found.pod->namespace_;
  }

  [[nodiscard]] bool awaits_pods() const { return published.back()->callers->awaits_list; }
};

}  // namespace

TEST_CASE("saved view: the next process serves from it at once, and says so", "[saved_view]") {
  Disk disk;
  leave_saved_view(disk);

  Successor next{disk};

  REQUIRE(next.published.size() == 1);
  CHECK(next.published.back()->services.find("cart.shop")->ports.front().endpoints.size() == 1);
  CHECK(next.cart_policy().connect_timeout == 2s);
  CHECK(next.control.is_ready());
  CHECK(next.is_served());
  CHECK(
      next.logged("serving from a saved view, 58s old, until the cluster has been seen whole: "
                  "1 Services, 1 EndpointSlices"));
  CHECK_FALSE(next.control.status().watches.front().synced);
}

TEST_CASE("saved view: the cluster's own replaces it, kind by kind, and what vanished is gone",
          "[saved_view]") {
  Disk disk;
  leave_saved_view(disk);
  Successor next{disk};

  next.control.stores().services.replace({test::service("bank", {test::service_port(80)})});
  next.clock.advance(1s);
  CHECK(next.published.back()->services.find("bank.shop") != nullptr);
  CHECK(next.published.back()->services.find("cart.shop") == nullptr);
  CHECK(next.is_served());  // the rest still is

  next.sync_cluster();
  next.sync_config(kGood);
  CHECK_FALSE(next.is_served());
  CHECK(next.caller().empty());  // there is no pod any more
  CHECK(next.logged("the cluster has been seen whole"));
  CHECK(next.control.is_ready());
}

TEST_CASE("saved view: its pods are believed only if their list does not come",
          "[saved_view][callers]") {
  Disk disk;
  leave_saved_view(disk);
  Successor next{disk};
  CHECK(next.awaits_pods());
  CHECK(next.caller() == "shop");

  SECTION("it comes, and the address has been given to another pod") {
    next.clock.advance(1s);
    next.control.stores().pods.replace({web_pod("ml")});
    next.clock.settle();

    CHECK_FALSE(next.awaits_pods());
    CHECK(next.caller() == "ml");
  }
  SECTION("it does not come as long as a request may wait for it") {
    next.clock.advance(kCallerWait - 1s);
    CHECK(next.awaits_pods());
    next.clock.advance(2s);

    CHECK_FALSE(next.awaits_pods());
    CHECK(next.caller() == "shop");
    CHECK(next.logged("callers are told by the saved view"));
  }
}

TEST_CASE("saved view: a wrong configuration at the start leaves its last good one in force",
          "[saved_view]") {
  Disk disk;
  {
    Bench bench{disk.options()};
    bench.start();
    bench.sync_cluster();
    bench.control.stores().config_maps.replace({Bench::config_map(kGood, "nodeway-system")});
    REQUIRE(pass(bench, disk, 2s) == 1);
    bench.control.stores().config_maps.put(Bench::config_map(kWrong, "nodeway-system"));
    REQUIRE(pass(bench, disk, ViewKeeper::kInterval) == 1);  // what is saved is what is in force
  }
  Successor next{disk};

  next.sync_cluster();
  next.sync_config(kWrong);

  CHECK(next.control.is_ready());
  CHECK(next.cart_policy().connect_timeout == 2s);
  CHECK_FALSE(next.control.status().config.valid);
  CHECK_FALSE(next.is_served());
}

TEST_CASE("saved view: defaults in force are last good, too", "[saved_view]") {
  Disk disk;
  leave_saved_view(disk, std::nullopt);
  Successor next{disk};
  CHECK(next.control.is_ready());

  next.sync_config(kWrong);

  CHECK(next.control.is_ready());
  CHECK_FALSE(next.control.status().config.valid);
}

TEST_CASE("saved view: what DNS said last of external names is served while DNS is away",
          "[saved_view][external_names]") {
  const std::string with_name = "{version: 1, externalNames: [api.example.com]}";
  Disk disk;
  {
    Bench bench{disk.options()};
    bench.resolver.answers["api.example.com"] = test::dns_answer({"192.0.2.1", "2001:db8::1"});
    bench.start();
    bench.sync_cluster();
    bench.control.stores().config_maps.replace({Bench::config_map(with_name, "nodeway-system")});
    REQUIRE(pass(bench, disk, 2s) == 1);
  }
  Bench next{disk.options()};
  next.resolver.silent = {"api.example.com"};
  next.clock.advance(60s);

  next.start();

  const auto endpoints = [&next] {
    return next.published.back()->services.find("api.example.com.")->ports.front().endpoints;
  };
  REQUIRE(next.published.size() == 1);
  CHECK(endpoints().size() == 2);
  CHECK(next.times_ready == 1);  // without a wait for DNS
  const DnsStatus dns = next.control.status().dns;
  REQUIRE(dns.names.size() == 1);
  CHECK(next.clock.now() - *dns.names.front().good_at > 55s);

  // And so on, to the process after that.
  REQUIRE(pass(next, disk, 2s) >= 1);
  CHECK(k8s_client::read_saved_view(disk.folder.path())->external_names.size() == 1);
}

TEST_CASE("saved view: one that may not be true is not used, and the log says why",
          "[saved_view]") {
  Disk disk;
  leave_saved_view(disk);
  const auto refused = [](const Successor& next, std::string_view why) {
    CHECK(next.published.empty());
    CHECK_FALSE(next.control.is_ready());
    CHECK_FALSE(next.is_served());
    CHECK(next.logged("the saved view is not used: "));
    CHECK(next.logged(why));
  };

  SECTION("of another run of the machine") {
    refused(Successor{disk, 60s, disk.options("boot-2")}, "before the machine was started anew");
  }
  SECTION("on a machine that does not tell its runs apart") {
    refused(Successor{disk, 60s, disk.options("")}, "before the machine was started anew");
  }
  SECTION("of another node") {
    refused(Successor{disk, 60s, disk.options("boot-1", "node-2")}, "that of node 'node-1'");
  }
  SECTION("too old") {
    refused(Successor{disk, ViewKeeper::kMaxAge + 10s}, "and may be 600s at most");
  }
  SECTION("torn") {
    disk.folder.write(k8s_client::SavedView::kFile, R"({"kind":"List","items":[)");
    refused(Successor{disk}, "saved-view.json: is torn");
  }
}

TEST_CASE("saved view: without one the router waits for the cluster as ever", "[saved_view]") {
  Disk disk;

  Successor next{disk};

  CHECK_FALSE(next.control.is_ready());
  CHECK(next.logged("there is no saved view yet"));
  CHECK(next.control.status().saved_view.is_kept);
}

TEST_CASE(
    "saved view: nothing is written before all is known, then soon after a change, and now "
    "and then without one",
    "[saved_view]") {
  Disk disk;
  Bench bench{disk.options()};
  bench.start();
  bench.sync_cluster();
  CHECK(pass(bench, disk, 60s) == 0);
  bench.control.stores().config_maps.replace({});
  CHECK(pass(bench, disk, 2s) == 1);
  CHECK(bench.control.status().saved_view.saves == 1);
  CHECK(bench.control.status().saved_view.saved_at.has_value());

  const auto change = [&bench](const char* name) {
    bench.control.stores().services.put(test::service(name, {test::service_port(80)}));
  };
  change("bank");
  CHECK(pass(bench, disk, ViewKeeper::kInterval - 3s) == 0);
  change("till");
  CHECK(pass(bench, disk, 3s) == 1);  // of both
  CHECK(pass(bench, disk, 20s) == 0);
  change("safe");
  CHECK(pass(bench, disk, 2s) == 1);

  CHECK(pass(bench, disk, ViewKeeper::kRenewal - 3s) == 0);
  CHECK(pass(bench, disk, 3s) == 1);
}

TEST_CASE("saved view: a slow disk is not asked for more than its share", "[saved_view]") {
  Disk disk;
  Bench bench{disk.options()};
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);
  bench.clock.advance(5s);
  REQUIRE(disk.work() == 1);  // took some seconds

  for (int i = 0; i < 10; ++i) {
    bench.control.stores().services.put(
        test::service("s" + std::to_string(i), {test::service_port(80)}));
    bench.clock.advance(ViewKeeper::kInterval);
    CHECK(disk.work() == 0);
  }
  bench.clock.advance(5s * ViewKeeper::kMinPauses);
  CHECK(disk.work() == 1);
}

TEST_CASE("saved view: a disk that refuses it is told once, and again when it is well",
          "[saved_view]") {
  Disk disk;
  const std::filesystem::path in_the_way = disk.folder.path() / ".saved-view.json.new" / "child";
  std::filesystem::create_directories(in_the_way);
  Bench bench{disk.options()};
  bench.start();
  bench.sync_cluster();
  bench.control.stores().config_maps.replace({});
  const auto told = [&bench](std::string_view text) {
    return std::ranges::count_if(
        bench.log, [text](const test::Logged& line) { return has(line.message, text); });
  };

  CHECK(pass(bench, disk, 4 * ViewKeeper::kInterval) >= 3);
  CHECK(told("cannot be saved") == 1);
  CHECK(bench.control.status().saved_view.failures >= 3);
  CHECK(has(bench.control.status().saved_view.last_error, "Is a directory"));
  CHECK(bench.control.is_ready());

  std::filesystem::remove_all(in_the_way.parent_path());
  CHECK(pass(bench, disk, ViewKeeper::kInterval + 2s) == 1);
  CHECK(told("is saved again") == 1);
  CHECK(bench.control.status().saved_view.last_error.empty());
  CHECK(bench.control.status().saved_view.saves == 1);
}

TEST_CASE("saved view: one that is served is renewed, and stays as old as it was", "[saved_view]") {
  Disk disk;
  leave_saved_view(disk);
  Successor next{disk, 5min};
  const auto as_of = next.control.status().saved_view.served_as_of;

  next.clock.advance(5min);  // the API server is away for all that time
  disk.work();

  const auto view = k8s_client::read_saved_view(disk.folder.path());
  REQUIRE(view.has_value());
  CHECK(view->as_of == as_of);
  CHECK(view->saved_at > k8s_client::Clock::TimePoint{5min});
  CHECK(Successor{disk, 14min}.control.is_ready());
}

TEST_CASE("saved view: the end of the process leaves its last state", "[saved_view]") {
  Disk disk;
  Bench bench{disk.options()};
  bench.start();
  bench.sync_cluster();
  bench.sync_config(kGood);
  bench.clock.advance(1s);
  disk.work();
  bench.control.stores().services.put(test::service("bank", {test::service_port(80)}));
  bench.clock.settle();

  bench.control.stop();
  disk.work();

  const auto view = k8s_client::read_saved_view(disk.folder.path());
  REQUIRE(view.has_value());
  CHECK(view->services.size() == 2);
  CHECK(bench.script.stopped);
}
