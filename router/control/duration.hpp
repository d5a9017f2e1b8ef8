// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace router::control {

/// Reads a duration as Go writes them: `500ms`, `1.5s`, `1m30s`, `0`. Units: ns, us, µs, ms, s, m,
/// h. Nothing for any other text, for negative ones, and beyond 292 years.
/// Source: Go, time.ParseDuration.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// The other way: `1m30s`, `500ms`, `0s`. `parse_duration` gives the same value back. Not negative.
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace router::control
