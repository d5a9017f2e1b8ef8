// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/asked_pause.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace router {
namespace {

/// Longer than anyone is left alone, and no product of it overflows.
constexpr std::size_t kMaxDigits = 9;
constexpr std::chrono::seconds kLongest{999'999'999};

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

/// IMF-fixdate, the one form of a date that may be sent: RFC 9110, section 5.6.7.
std::optional<std::chrono::seconds> date_of(const HeaderList& fields, std::string_view name) {
  constexpr std::string_view kExample = "Sun, 06 Nov 1994 08:49:37 GMT";
  const auto text = fields.find(name);
  if (!text || text->size() != kExample.size()) {
    return std::nullopt;
  }
  const std::string copy{*text};  // which ends with a zero
  std::tm date{};
  const char* const end = strptime(copy.c_str(), "%a, %d %b %Y %T GMT", &date);
  if (end != copy.c_str() + copy.size()) {
    return std::nullopt;
  }
  return std::chrono::seconds{timegm(&date)};
}

std::optional<std::chrono::seconds> retry_after(const HeaderList& fields) {
  if (const auto seconds = number_of(fields, "retry-after")) {
    return std::chrono::seconds{*seconds};
  }
  const auto until = date_of(fields, "retry-after");
  const auto sent_at = until ? date_of(fields, "date") : std::nullopt;
  if (!sent_at) {
    return std::nullopt;
  }
  return std::clamp<std::chrono::seconds>(*until - *sent_at, {}, kLongest);
}

}  // namespace

std::optional<std::chrono::nanoseconds> asked_pause(const HeaderList& fields) {
  const auto seconds = retry_after(fields);
  const auto milliseconds = number_of(fields, "grpc-retry-pushback-ms");
  if (!seconds && !milliseconds) {
    return std::nullopt;
  }
  return std::max<std::chrono::nanoseconds>(seconds.value_or(std::chrono::seconds{}),
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
