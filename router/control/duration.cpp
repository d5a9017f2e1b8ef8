// SPDX-License-Identifier: Apache-2.0
#include "router/control/duration.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace router::control {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};

constexpr std::array kUnits{
    Unit{"h", 3'600'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"ms", 1'000'000},
    Unit{"us", 1'000},
    Unit{"ns", 1},
    Unit{"\u00b5s", 1'000},  // micro sign
    Unit{"\u03bcs", 1'000},  // Greek mu, which looks the same
};
constexpr std::size_t kUnitsToFormat = 6;

constexpr std::int64_t kMost = INT64_MAX;
constexpr std::size_t kMaxFractionDigits = 18;  // further ones cannot change a nanosecond

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::string_view take_while(std::string_view& text, bool (*holds)(char)) {
  const auto end = std::find_if_not(text.begin(), text.end(), holds);
  const auto taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

std::optional<std::int64_t> to_integer(std::string_view digits) {
  std::int64_t value = 0;
  for (const char c : digits) {
    if (value > (kMost - 9) / 10) {
      return std::nullopt;
    }
    value = value * 10 + (c - '0');
  }
  return value;
}

/// `digits` behind the point, in parts of `unit`, rounded down.
std::int64_t fraction_of(std::int64_t unit, std::string_view digits) {
  double part = 0;
  double scale = 1;
  for (const char c : digits.substr(0, kMaxFractionDigits)) {
    part = part * 10 + (c - '0');
    scale *= 10;
  }
  return static_cast<std::int64_t>(part * (static_cast<double>(unit) / scale));
}

/// Takes one number with its unit off the front of `text`.
std::optional<std::int64_t> take_part(std::string_view& text) {
  const std::string_view whole = take_while(text, is_digit);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_while(text, is_digit);
  }
  const std::string_view name = take_while(text, [](char c) { return !is_digit(c) && c != '.'; });
  const auto* unit =
      std::find_if(kUnits.begin(), kUnits.end(), [name](const Unit& u) { return u.name == name; });
  const std::optional<std::int64_t> number = to_integer(whole);
  if ((whole.empty() && fraction.empty()) || unit == kUnits.end() || !number ||
      *number > kMost / unit->nanoseconds) {
    return std::nullopt;
  }
  const std::int64_t base = *number * unit->nanoseconds;
  const std::int64_t rest = fraction_of(unit->nanoseconds, fraction);
  return rest > kMost - base ? std::nullopt : std::optional{base + rest};
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") {
    return std::chrono::nanoseconds{0};
  }
  if (text.empty()) {
    return std::nullopt;
  }
  std::int64_t sum = 0;
  while (!text.empty()) {
    const std::optional<std::int64_t> part = take_part(text);
    if (!part || *part > kMost - sum) {
      return std::nullopt;
    }
    sum += *part;
  }
  return std::chrono::nanoseconds{sum};
}

std::string format_duration(std::chrono::nanoseconds duration) {
  std::int64_t rest = duration.count();
  std::string text;
  for (std::size_t i = 0; i < kUnitsToFormat; ++i) {
    const Unit& unit = kUnits[i];
    if (const std::int64_t count = rest / unit.nanoseconds; count > 0) {
      text += fmt::format("{}{}", count, unit.name);
      rest %= unit.nanoseconds;
    }
  }
  return text.empty() ? "0s" : text;
}

}  // namespace router::control
