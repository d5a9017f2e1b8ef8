// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_reader.hpp"

#include <cstdint>
#include <string>

namespace router::control {

/// Regular expressions for the schema, in what ECMA-262 and Python have in common.

/// Matches the whole numbers from `least` to `most`, without leading zeros; no anchors.
/// `1 <= least <= most`, `most` below 10^18.
[[nodiscard]] std::string number_pattern(std::uint64_t least, std::uint64_t most);

/// Matches what `parse_duration` takes within `range`, with anchors. Of sums (`1m30s`) and
/// fractions it matches those beyond the range, too: no such expression can add.
[[nodiscard]] std::string duration_pattern(const DurationRange& range);

}  // namespace router::control
