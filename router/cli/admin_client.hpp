// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <variant>

namespace router::cli {

/// Why a running router did not answer: one line.
struct NoAnswer {
  std::string line;
};

/// GET of a path at the admin endpoint `url`, such as `http://127.0.0.1:9990`, with query
/// parameters (empty ones are left out). Waits a few seconds at most. The answer's body if its
/// status is 200.
[[nodiscard]] std::variant<std::string, NoAnswer> ask_admin(
    const std::string& url,
    const std::string& path,
    const std::map<std::string, std::string>& parameters);

}  // namespace router::cli
