// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/command.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace router::cli {

struct DemoOptions {
  /// Split over the phases, after which the demo ends by itself; without it, it stays up for play.
  std::optional<std::chrono::milliseconds> duration;
  unsigned pods = 3;       ///< of each service
  unsigned callers = 4;    ///< for each protocol; each calls every 20 ms
  std::string calculator;  ///< path of nodeway-calculator; empty: looked for
  std::string broken;      ///< `share` or `lose`: what must fail; empty: nothing
};

/// Runs the calculator on loopback, straight and through a router, and shows the difference: pods
/// that share the work, one added and one stopped under load. Needs neither a cluster nor root.
///
/// Returns 0 if all held that is shown, 1 with a line for each thing that did not, 2 if it could
/// not be started.
[[nodiscard]] int run_demo(const DemoOptions& options);

/// Adds `nodeway demo`; sets `action` when it is chosen.
void add_demo_command(CLI::App& root, Action& action);

}  // namespace router::cli
