// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace router::control {

/// One thing that was looked at for an operator.
struct Check {
  enum class Status : std::uint8_t {
    passed,
    failed,
    skipped,  ///< could not be looked at, or is neither good nor bad
  };

  Status status = Status::passed;
  std::string text;       ///< one line: what was found
  std::string hint = {};  ///< of a failed one: what to do, in one line

  bool operator==(const Check&) const = default;
};

struct CheckGroup {
  std::string title;
  std::vector<Check> checks = {};
};

[[nodiscard]] inline Check passed(std::string text) {
  return {.status = Check::Status::passed, .text = std::move(text)};
}
[[nodiscard]] inline Check failed(std::string text, std::string hint) {
  return {.status = Check::Status::failed, .text = std::move(text), .hint = std::move(hint)};
}
[[nodiscard]] inline Check skipped(std::string text) {
  return {.status = Check::Status::skipped, .text = std::move(text)};
}

}  // namespace router::control
