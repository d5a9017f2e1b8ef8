// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/asked_pause.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace router {
namespace {

/// Longer than anyone is left alone, and no product of it overflows.
constexpr std::size_t kMaxDigits = 9;

std::optional<std::uint32_t> number_of(const HeaderList& fields, std::string_view name) {
  const auto text = fields.find(name);
  if (!text || text->empty() || text->size() > kMaxDigits) {
    return std::nullopt;
  }
  std::uint32_t number = 0;
  const char* const end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, number);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional{number} : std::nullopt;
}

}  // namespace

std::optional<std::chrono::nanoseconds> asked_pause(const HeaderList& fields) {
  const auto seconds = number_of(fields, "retry-after");
  const auto milliseconds = number_of(fields, "grpc-retry-pushback-ms");
  if (!seconds && !milliseconds) {
    return std::nullopt;
  }
  return std::max<std::chrono::nanoseconds>(std::chrono::seconds{seconds.value_or(0)},
                                            std::chrono::milliseconds{milliseconds.value_or(0)});
}

Pushback pushback_of(const HeaderList& fields) {
  constexpr std::string_view kName = "grpc-retry-pushback-ms";
  if (!fields.find(kName)) {
    return {};
  }
  const auto milliseconds = number_of(fields, kName);
  const bool forbids_retry =
      !milliseconds || std::chrono::milliseconds{*milliseconds} > Pushback::kLongest;
  if (forbids_retry) {
    return {.forbids_retry = true};
  }
  return {.pause = std::chrono::milliseconds{*milliseconds}};
}

}  // namespace router
