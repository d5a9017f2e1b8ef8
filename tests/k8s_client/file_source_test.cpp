// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/file_source.hpp"

#include "tests/k8s_client/result_text.hpp"
#include "tests/k8s_client/scratch_folder.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;

namespace {

std::string service_yaml(const std::string& name) {
  return "{apiVersion: v1, kind: Service, metadata: {name: " + name + ", namespace: shop}}\n";
}

/// A source on a folder of its own, with the real clock and the real inotify.
struct Rig {
  Rig() : source{loop.get_executor(), options(), stores, clock} {}

  FileSource::Options options() {
    return {.folder = files.path(),
            .notices = [this](const Notice& notice) { notices.push_back(notice); }};
  }

  /// Runs the loop until it is so, for 10 s at most: a bound for liveness, far above what inotify
  /// takes.
  bool sees(const std::function<bool()>& is_so) {
    const auto deadline = clock.now() + 10s;
    while (!is_so() && clock.now() < deadline) {
      loop.restart();
      loop.run_one_for(50ms);
    }
    return is_so();
  }

  [[nodiscard]] bool has(const std::string& name) const {
    return stores.services.find({"shop", name}) != nullptr;
  }

  boost::asio::io_context loop;
  SteadyClock clock;
  test::ScratchFolder files;
  std::vector<Notice> notices;
  Stores stores;
  FileSource source;
};

}  // namespace

TEST_CASE("FileSource: is synced when `start` returns", "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("cart"));

  rig.source.start();

  CHECK(rig.stores.is_synced());
  CHECK(rig.has("cart"));
  REQUIRE(rig.source.status().size() == 1);
  CHECK(rig.source.status()[0].resource == "files");
  CHECK(rig.source.status()[0].synced);
}

TEST_CASE("FileSource: follows files that are written, renamed over, and removed", "[k8s_client]") {
  Rig rig;
  rig.source.start();

  rig.files.write("a.yaml", service_yaml("written"));
  REQUIRE(rig.sees([&rig] { return rig.has("written"); }));

  rig.files.write_by_rename("a.yaml", service_yaml("renamed"));
  REQUIRE(rig.sees([&rig] { return rig.has("renamed"); }));
  CHECK_FALSE(rig.has("written"));

  rig.files.remove("a.yaml");
  CHECK(rig.sees([&rig] { return !rig.has("renamed"); }));
}

TEST_CASE("FileSource: a file broken and mended is told once each", "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("cart"));
  rig.source.start();

  rig.files.write("a.yaml", "kind: [\n");
  REQUIRE(rig.sees([&rig] { return !rig.source.problems().empty(); }));
  CHECK(rig.has("cart"));
  CHECK(rig.source.status()[0].last_error.rfind("a.yaml:2:1: ", 0) == 0);
  CHECK(rig.source.status()[0].errors == 1);

  rig.files.write("a.yaml", service_yaml("mended"));
  REQUIRE(rig.sees([&rig] { return rig.has("mended"); }));
  CHECK(rig.source.problems().empty());
  REQUIRE(rig.notices.size() == 2);
  CHECK(rig.notices[0].level == Notice::Level::warning);
  CHECK(rig.notices[1].level == Notice::Level::info);
}

TEST_CASE("FileSource: a folder that comes later is found, and one that goes leaves the last state",
          "[k8s_client]") {
  Rig rig;
  const std::string away = rig.files.path().string() + ".away";
  std::filesystem::rename(rig.files.path(), away);
  rig.source.start();
  REQUIRE_FALSE(rig.stores.is_synced());
  REQUIRE(rig.notices.size() == 1);

  std::filesystem::rename(away, rig.files.path());
  rig.files.write("a.yaml", service_yaml("cart"));
  REQUIRE(rig.sees([&rig] { return rig.has("cart"); }));

  std::filesystem::remove_all(rig.files.path());
  CHECK(rig.sees([&rig] { return rig.notices.size() == 3; }));
  CHECK(rig.has("cart"));
}

TEST_CASE("FileSource: after `stop` nothing changes, and it may go while its loop has not run",
          "[k8s_client]") {
  boost::asio::io_context loop;
  SteadyClock clock;
  const test::ScratchFolder files;
  Stores stores;
  {
    FileSource source{loop.get_executor(), {.folder = files.path(), .notices = {}}, stores, clock};
    source.start();
    files.write("a.yaml", service_yaml("late"));
    source.stop();
  }

  loop.run_for(5s);

  CHECK(loop.stopped());  // the coroutine has ended
  CHECK(stores.services.size() == 0);
}
