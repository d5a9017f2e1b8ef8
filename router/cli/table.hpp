// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace router::cli {

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string_view title;
  Align align;
};

/// Lays out a table for a terminal: columns as wide as their widest cell, two spaces apart, no
/// space at the end of a line.
[[nodiscard]] std::string format_table(const std::vector<Column>& columns,
                                       const std::vector<std::vector<std::string>>& rows);

}  // namespace router::cli
