// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

/// What the values of many fields have in common.
namespace router {

/// `text` without the spaces and tabs around it. Source: RFC 9110 section 5.6.3, OWS.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

/// The digits for 62 and 63 are `+` and `/`, or those of URLs, `-` and `_`. Source: RFC 4648
/// sections 4 and 5.
enum class Base64 : std::uint8_t { standard, url };

/// Decodes `text`, which has no padding, into `into`; returns how many bytes that are. Nothing if a
/// character is no digit, or there is more than room for. Bits that make no whole byte are dropped.
[[nodiscard]] std::optional<std::size_t> decode_base64(std::string_view text,
                                                       Base64 alphabet,
                                                       std::span<std::uint8_t> into) noexcept;

}  // namespace router
