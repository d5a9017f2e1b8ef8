// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/caller.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

namespace demo {

enum class Protocol { grpc, http };

struct LoadOptions {
  Protocol protocol = Protocol::grpc;
  std::map<Operation, CallTarget> targets;  ///< the operations that are called
  unsigned callers = 1;
  std::chrono::microseconds every{
      20'000};               ///< between the calls of one caller; 0: as fast as replies come
  unsigned concurrency = 8;  ///< calls that one caller has in flight at most
  std::chrono::microseconds duration{0};  ///< 0: no limit
  std::uint64_t requests = 0;             ///< 0: no limit
  unsigned seed = 1;
  bool progress = false;
};

/// Calls until `duration` or `requests` is reached, or SIGTERM or SIGINT comes, and prints what
/// came of it as one JSON line (`"event":"done"`); with `progress` also one each second
/// (`"event":"progress"`).
///
/// Returns the exit code: 0 if at least one call was made and none failed, but for divisions by
/// zero that ended as they must; else 1.
[[nodiscard]] int run_load(const LoadOptions& options);

}  // namespace demo
