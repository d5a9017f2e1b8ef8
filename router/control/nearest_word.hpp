// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace router::control {

/// The one of `words` that `misspelt` was most likely meant to be, "" if none is near: up to two
/// letters wrong, missing, added or swapped, fewer in short words; case does not count.
[[nodiscard]] std::string_view nearest_word(std::string_view misspelt,
                                            std::span<const std::string_view> words);

}  // namespace router::control
