// SPDX-License-Identifier: Apache-2.0
#include "router/h1/h2c.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace router::h1 {
namespace {

constexpr std::string_view kName = "http2-settings";

/// RFC 4648 section 5, without padding.
std::optional<std::string> from_base64url(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr unsigned kBitsPerDigit = 6;
  constexpr unsigned kBitsPerByte = 8;
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned n_bits = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << kBitsPerDigit) | static_cast<std::uint32_t>(digit);
    n_bits += kBitsPerDigit;
    if (n_bits >= kBitsPerByte) {
      n_bits -= kBitsPerByte;
      bytes.push_back(static_cast<char>((bits >> n_bits) & 0xffU));
    }
  }
  return bytes;
}

}  // namespace

std::optional<std::string> h2c_settings(const HeaderList& fields) {
  constexpr std::size_t kEntryBytes = 6;  // RFC 9113 section 6.5.1
  const auto n_fields = std::count_if(
      fields.begin(), fields.end(), [](const HeaderField& field) { return field.name() == kName; });
  if (n_fields != 1) {
    return std::nullopt;
  }
  auto payload = from_base64url(*fields.find(kName));
  if (payload && payload->size() % kEntryBytes != 0) {
    return std::nullopt;
  }
  return payload;
}

}  // namespace router::h1
