// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace demo {

/// Writes one JSON line to stdout and flushes it, whole even when several threads write. Any
/// thread.
void print_line(const nlohmann::json& line);

}  // namespace demo
