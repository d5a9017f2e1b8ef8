// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

namespace router {

/// How many CPUs this process may use by its cgroup's quota; nothing if it has none, or if that
/// cannot be told.
///
/// `cgroup_file` is /proc/self/cgroup and `mount` /sys/fs/cgroup. Version 2 (`cpu.max`, of the
/// process's own group, else of the mount's root, which in a container is the container's) and
/// version 1 (`cpu.cfs_quota_us`). Source: Documentation/admin-guide/cgroup-v2.rst, section "CPU
/// Interface Files".
[[nodiscard]] std::optional<double> read_cpu_limit(const std::filesystem::path& cgroup_file,
                                                   const std::filesystem::path& mount);

}  // namespace router
