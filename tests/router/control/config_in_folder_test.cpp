// SPDX-License-Identifier: Apache-2.0
// The configuration of a folder of files, of which any may be broken: never silently the defaults.
#include "k8s_client/file_source.hpp"
#include "router/control/control_plane.hpp"
#include "tests/k8s_client/scratch_folder.hpp"
#include "tests/router/control/scripted_resolver.hpp"
#include "tests/support/sim_clock.hpp"

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;

namespace {

const std::string kMeta = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nodeway}\n";
const std::string kGood = kMeta + "data:\n  nodeway.yaml: |\n    version: 1\n";
const std::string kOther = kGood + "    defaultNamespace: shop\n";
const std::string kBrokenService =
    "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec:\n  ports: [{port: eighty}]\n";

struct Row {
  std::string text;
  std::string reason;
};

/// A control plane on a folder of the test's, whose time belongs to the test.
struct Bench {
  void start() {
    control.start(std::make_unique<k8s_client::FileSource>(
        loop.get_executor(),
        k8s_client::FileSource::Options{.folder = files.path(), .notices = {}},
        control.stores(),
        clock));
    clock.advance(2s);
  }

  void write(const std::string& file, const std::string& text) {
    files.write_by_rename(file, text);
    clock.advance(10s);
  }

  boost::asio::io_context loop;
  test::SimClock clock{loop};
  test::ScratchFolder files;
  test::ScriptedResolver resolver;
  ControlPlane control{loop.get_executor(),
                       clock,
                       resolver,
                       {.config_in_any_namespace = true},
                       [](auto&&...) {},
                       {.on_snapshot = [](const SnapshotPtr&) {}, .on_ready = [] {}}};
};

Row generate_broken() {
  return GENERATE(values<Row>({
      {kMeta + "data: {\n", "cfg.yaml:5:1: "},
      {kMeta + "data:\n  nodeway.yaml:\n    version: 1\n",
       "cfg.yaml:6:5: data.nodeway.yaml: must be a string"},
      {"kind: ConfigMap\nmetadata: {name: nodeway}\n", "cfg.yaml:1:1: apiVersion: is required"},
      {kGood + "---\n" + kBrokenService, "cfg.yaml:12:18: spec.ports[0].port: "},
      {"", "cfg.yaml: is empty"},
  }));
}

}  // namespace

TEST_CASE(
    "ControlPlane: a file that may hold the configuration and is broken at first is waited for",
    "[control_plane]") {
  const Row broken = generate_broken();
  CAPTURE(broken.text);
  Bench bench;
  bench.files.write("cfg.yaml", broken.text);

  bench.start();

  CHECK_FALSE(bench.control.is_ready());
  CHECK_THAT(bench.control.status().not_ready_reason,
             Catch::StartsWith("ConfigMap nodeway-system/nodeway: " + broken.reason));
  CHECK_FALSE(bench.control.status().config.valid);

  bench.write("cfg.yaml", kOther);
  CHECK(bench.control.is_ready());
  CHECK(bench.control.status().config.valid);
  CHECK(bench.control.status().config.applied == 1);
}

TEST_CASE("ControlPlane: a file that breaks while its configuration is in force is told",
          "[control_plane]") {
  const Row broken = generate_broken();
  CAPTURE(broken.text);
  Bench bench;
  bench.files.write("cfg.yaml", kGood);
  bench.start();
  REQUIRE(bench.control.status().config.valid);

  bench.write("cfg.yaml", broken.text);

  CHECK(bench.control.is_ready());
  CHECK_FALSE(bench.control.status().config.valid);
  CHECK_THAT(bench.control.status().config.error, Catch::StartsWith(broken.reason));
  CHECK(bench.control.status().config.rejected == 1);

  bench.write("cfg.yaml", kGood);  // what it was, so that no store changes
  CHECK(bench.control.status().config.valid);
  CHECK(bench.control.status().config.error.empty());
}

TEST_CASE("ControlPlane: a broken file that can hold no configuration leaves it alone",
          "[control_plane]") {
  const bool has_config = GENERATE(false, true);
  CAPTURE(has_config);
  Bench bench;
  bench.files.write("broken.yaml", kBrokenService);
  if (has_config) {
    bench.files.write("cfg.yaml", kGood);
  }

  bench.start();

  CHECK(bench.control.is_ready());
  CHECK(bench.control.status().config.valid);
  CHECK(bench.control.status().config.present == has_config);
}

TEST_CASE("ControlPlane: a ConfigMap without the document's key says where it looked",
          "[control_plane]") {
  const Row row = GENERATE(values<Row>({
      {kMeta + "data: {nodeway.yml: 'version: 1', x: y}\n",
       "it has no key nodeway.yaml in its data, but nodeway.yml, x"},
      {kMeta + "binaryData: {nodeway.yaml: dmVyc2lvbjogMQo=}\n",
       "it has no key nodeway.yaml in its data, which is empty; binaryData is not read: is the "
       "file "
       "UTF-8?"},
  }));
  Bench bench;
  bench.files.write("cfg.yaml", kOther);
  bench.start();
  REQUIRE(bench.control.status().config.valid);

  bench.write("cfg.yaml", row.text);

  CHECK(bench.control.is_ready());
  CHECK_FALSE(bench.control.status().config.valid);
  CHECK(bench.control.status().config.error == row.reason);
}

TEST_CASE("ControlPlane: an immutable ConfigMap is as good as another", "[control_plane]") {
  Bench bench;
  bench.files.write("cfg.yaml", kOther + "immutable: true\n");

  bench.start();

  CHECK(bench.control.is_ready());
  CHECK(bench.control.status().config.valid);
  CHECK(bench.control.status().config.applied == 1);
}
