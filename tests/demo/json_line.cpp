// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/json_line.hpp"

#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

namespace demo {

void print_line(const nlohmann::json& line) {
  const std::string text = line.dump() + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);  // stdio locks the stream for the call
  std::fflush(stdout);
}

}  // namespace demo
