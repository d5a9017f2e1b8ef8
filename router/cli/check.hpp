// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/command.hpp"

namespace CLI {
class App;
}

namespace router::cli {

/// `nodeway check FILE`: says whether a configuration would be taken, without a router. Exit code 0
/// or 2.
void add_check_command(CLI::App& app, Action& action);

}  // namespace router::cli
