// SPDX-License-Identifier: Apache-2.0
#include "router/cpu_limit.hpp"

#include <cstdlib>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

using router::read_cpu_limit;

namespace {

/// A folder with a cgroup's files in it, removed at the end.
class Cgroups {
 public:
  Cgroups() {
    std::string name = (std::filesystem::temp_directory_path() / "nodeway-cgroup-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  Cgroups(const Cgroups&) = delete;
  Cgroups& operator=(const Cgroups&) = delete;
  ~Cgroups() { std::filesystem::remove_all(root_); }

  void write(const std::filesystem::path& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream{root_ / file} << text;
  }

  [[nodiscard]] std::optional<double> limit() const {
    return read_cpu_limit(root_ / "cgroup", root_ / "mount");
  }

 private:
  std::filesystem::path root_;
};

}  // namespace

TEST_CASE("read_cpu_limit: takes the quota of the process's own group", "[config]") {
  const Cgroups cgroups;
  cgroups.write("cgroup", "0::/kubepods/pod1\n");
  cgroups.write("mount/kubepods/pod1/cpu.max", "150000 100000\n");
  cgroups.write("mount/cpu.max", "400000 100000\n");

  CHECK(cgroups.limit() == 1.5);
}

TEST_CASE("read_cpu_limit: in a container its own root is the group", "[config]") {
  const Cgroups cgroups;
  cgroups.write("cgroup", "0::/\n");
  cgroups.write("mount/cpu.max", "50000 100000\n");

  CHECK(cgroups.limit() == 0.5);
}

TEST_CASE("read_cpu_limit: no quota, no file and nonsense are no limit", "[config]") {
  const Cgroups cgroups;
  const std::string text = GENERATE("max 100000\n", "", "-1 100000\n", "x\n", "100000 0\n");
  cgroups.write("cgroup", "0::/\n");
  cgroups.write("mount/cpu.max", text);

  CHECK_FALSE(cgroups.limit().has_value());
}

TEST_CASE("read_cpu_limit: a machine without cgroups has none", "[config]") {
  CHECK_FALSE(read_cpu_limit("/nowhere/cgroup", "/nowhere").has_value());
}

TEST_CASE("read_cpu_limit: understands version 1", "[config]") {
  const Cgroups cgroups;
  cgroups.write("cgroup", "3:cpu,cpuacct:/\n");
  cgroups.write("mount/cpu/cpu.cfs_quota_us", "200000\n");
  cgroups.write("mount/cpu/cpu.cfs_period_us", "100000\n");

  CHECK(cgroups.limit() == 2.0);
}
