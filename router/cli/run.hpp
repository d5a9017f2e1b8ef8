// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/command.hpp"

#include <cstdint>
#include <functional>

namespace CLI {
class App;
}

namespace router::cli {

/// What only the process itself can give to `nodeway run`.
struct RunContext {
  std::uint32_t seed = 0;  ///< drawn afresh
  /// Makes SIGTERM and SIGINT ask for a drain, a second one end the process, and SIGHUP and SIGPIPE
  /// do nothing. Returns a file descriptor that becomes readable at the first. Throws
  /// std::system_error if there is no thread or descriptor to be had.
  std::function<int()> catch_stop_signals;
};

/// `nodeway run`: the router itself.
void add_run_command(CLI::App& app, Action& action, const RunContext& context);

}  // namespace router::cli
