// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/command.hpp"

namespace CLI {
class App;
}

namespace router::cli {

/// `nodeway check FILE`: says whether a configuration would be taken, without a router. Exit code 0
/// or 2.
///
/// `nodeway check`: says whether a router would find in the cluster what it needs, and how the one
/// that runs here is doing. Exit code 0, 1 if something is wrong there, 2 if it is not known which
/// cluster is meant.
void add_check_command(CLI::App& app, Action& action);

}  // namespace router::cli
