// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/field_text.hpp"

namespace router {

std::string_view trim(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::size_t> decode_base64(std::string_view text,
                                         Base64 alphabet,
                                         std::span<std::uint8_t> into) noexcept {
  constexpr unsigned kBitsPerDigit = 6;
  constexpr unsigned kBitsPerByte = 8;
  const std::string_view digits =
      alphabet == Base64::url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                              : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t n_bytes = 0;
  std::uint32_t bits = 0;
  unsigned n_bits = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << kBitsPerDigit) | static_cast<std::uint32_t>(digit);
    n_bits += kBitsPerDigit;
    if (n_bits < kBitsPerByte) {
      continue;
    }
    if (n_bytes == into.size()) {
      return std::nullopt;
    }
    n_bits -= kBitsPerByte;
    into[n_bytes++] = static_cast<std::uint8_t>(bits >> n_bits);
  }
  return n_bytes;
}

}  // namespace router
