// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace router {

/// `A` to `Z` become small, all else stays as it is, whatever the locale: the case that names of
/// DNS (RFC 4343), of header fields (RFC 9110 section 5.1) and of IANA's services (RFC 6335
/// section 5.1) do not have.
[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] inline std::string in_lower_case(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(), to_lower);
  return result;
}

/// Compares with `lower`, which is in lower case, whatever the case of `text`.
[[nodiscard]] inline bool equals_ignoring_case(std::string_view text,
                                               std::string_view lower) noexcept {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return to_lower(a) == b;
  });
}

}  // namespace router
