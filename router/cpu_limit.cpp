// SPDX-License-Identifier: Apache-2.0
#include "router/cpu_limit.hpp"

#include <fstream>
#include <string>
#include <string_view>

namespace router {
namespace {

// `max 100000` or `150000 100000`: microseconds of CPU time per period.
std::optional<double> read_cpu_max(const std::filesystem::path& file) {
  std::ifstream in{file};
  double quota = 0;
  double period = 0;
  if (in >> quota >> period && quota > 0 && period > 0) {
    return quota / period;
  }
  return std::nullopt;
}

// The quota is -1 where there is none.
std::optional<double> read_version_1(const std::filesystem::path& folder) {
  std::ifstream quota_file{folder / "cpu.cfs_quota_us"};
  std::ifstream period_file{folder / "cpu.cfs_period_us"};
  double quota = 0;
  double period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0) {
    return quota / period;
  }
  return std::nullopt;
}

// The line of version 2 is `0::/path`.
std::optional<std::filesystem::path> own_group(const std::filesystem::path& cgroup_file) {
  constexpr std::string_view kPrefix = "0::/";
  std::ifstream in{cgroup_file};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kPrefix)) {
      return line.substr(kPrefix.size());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> read_cpu_limit(const std::filesystem::path& cgroup_file,
                                     const std::filesystem::path& mount) {
  if (const auto group = own_group(cgroup_file)) {
    if (const auto limit = read_cpu_max(mount / *group / "cpu.max")) {
      return limit;
    }
  }
  if (const auto limit = read_cpu_max(mount / "cpu.max")) {
    return limit;
  }
  return read_version_1(mount / "cpu");
}

}  // namespace router
