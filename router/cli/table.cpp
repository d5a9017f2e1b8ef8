// SPDX-License-Identifier: Apache-2.0
#include "router/cli/table.hpp"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

namespace router::cli {

std::string format_table(const std::vector<Column>& columns,
                         const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = columns[i].title.size();
    for (const std::vector<std::string>& row : rows) {
      width = std::max(width, row[i].size());
    }
    widths.push_back(width);
    titles.emplace_back(columns[i].title);
  }
  std::string table;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      line += i == 0 ? "" : "  ";
      line += columns[i].align == Align::left ? fmt::format("{:<{}}", cells[i], widths[i])
                                              : fmt::format("{:>{}}", cells[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    table += line + '\n';
  };
  add_line(titles);
  for (const std::vector<std::string>& row : rows) {
    add_line(row);
  }
  return table;
}

}  // namespace router::cli
