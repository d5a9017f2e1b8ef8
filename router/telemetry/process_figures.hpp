// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace router::telemetry {

/// What the kernel says of this process; 0 where it does not.
struct ProcessFigures {
  std::uint64_t resident_memory_bytes = 0;
  std::uint64_t virtual_memory_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t threads = 0;
  double cpu_seconds = 0;         ///< user and system
  double start_time_seconds = 0;  ///< since the epoch
};

/// Reads them from /proc. Any thread but a worker's, since it reads files.
[[nodiscard]] ProcessFigures read_process_figures();

}  // namespace router::telemetry
