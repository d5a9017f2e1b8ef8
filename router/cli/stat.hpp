// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/admin/rows.hpp"
#include "router/cli/command.hpp"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace router::cli {

/// The table of `nodeway stat`. With `is_wide` also failed requests per second, and latencies to a
/// hundredth of a millisecond.
[[nodiscard]] std::string format_stat(const std::vector<admin::StatRow>& rows,
                                      bool is_wide = false);

/// `nodeway stat`: success, rate and latency of each Service, as this node saw them.
void add_stat_command(CLI::App& app, Action& action);

}  // namespace router::cli
