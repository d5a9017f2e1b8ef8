// SPDX-License-Identifier: Apache-2.0
#include "router/h1/h2c.hpp"

#include "router/exchange/field_text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace router::h1 {
namespace {

constexpr std::string_view kName = "http2-settings";

}  // namespace

std::optional<std::string> h2c_settings(const HeaderList& fields) {
  constexpr std::size_t kEntryBytes = 6;  // RFC 9113 section 6.5.1
  const auto n_fields = std::count_if(
      fields.begin(), fields.end(), [](const HeaderField& field) { return field.name() == kName; });
  if (n_fields != 1) {
    return std::nullopt;
  }
  const std::string_view text = *fields.find(kName);
  std::vector<std::uint8_t> payload(text.size());
  const auto n_bytes = decode_base64(text, Base64::url, payload);
  if (!n_bytes || *n_bytes % kEntryBytes != 0) {
    return std::nullopt;
  }
  return std::string{payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(*n_bytes)};
}

}  // namespace router::h1
