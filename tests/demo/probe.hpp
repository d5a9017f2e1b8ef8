// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace demo {

struct ProbeOptions {
  std::string target;     ///< ADDR:PORT
  std::string authority;  ///< empty: the target
  unsigned cancels = 10;
};

/// Calls `calculator.Probe` at the target with every kind of streaming, and cancels calls that
/// wait. Prints a JSON line (`"event":"done"`) with what failed, by case, and the slowest time from
/// a cancel to its sight by the server. Returns the exit code: 0 if every case passed, else 1.
[[nodiscard]] int run_probe(const ProbeOptions& options);

}  // namespace demo
