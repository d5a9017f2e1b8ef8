// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace router::control {

enum class LogLevel : std::uint8_t { info, warning, error };

/// Where the control plane's log lines go; `error` is "" where nothing failed. Control thread.
using LogSink =
    std::function<void(LogLevel level, std::string_view message, std::string_view error)>;

}  // namespace router::control
