// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace router::cli {

/// What a subcommand does once its flags are parsed; returns the exit code of the process.
using Action = std::function<int()>;

}  // namespace router::cli
