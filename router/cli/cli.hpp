// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/run.hpp"

namespace router::cli {

/// Understands the command line and does what it asks for. Returns the process's exit code: 0 done,
/// 1 failed, 2 wrong flags or configuration.
[[nodiscard]] int run_command_line(int argc, const char* const* argv, const RunContext& context);

}  // namespace router::cli
