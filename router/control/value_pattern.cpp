// SPDX-License-Identifier: Apache-2.0
#include "router/control/value_pattern.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace router::control {
namespace {

constexpr std::string_view kUnits = "(?:h|m|s|ms|us|µs|μs|ns)";

struct Unit {
  std::string_view pattern;
  std::uint64_t nanoseconds;
};
constexpr std::array kUnitSizes{Unit{"h", 3'600'000'000'000},
                                Unit{"m", 60'000'000'000},
                                Unit{"s", 1'000'000'000},
                                Unit{"ms", 1'000'000},
                                Unit{"(?:us|µs|μs)", 1'000},
                                Unit{"ns", 1}};

/// Numbers that have a prefix and the number of digits in common: `12[3-7]` and `zeros` digits
/// more.
struct Block {
  std::uint64_t prefix;
  std::uint64_t first;
  std::uint64_t last;
  int zeros;

  [[nodiscard]] bool is_every_number_of_its_length() const {
    return prefix == 0 && first == 1 && last == 9;
  }
};

/// The largest block that begins with `least`, and where the next one begins.
Block take_block(std::uint64_t& least, std::uint64_t most) {
  std::uint64_t size = 1;
  int zeros = 0;
  while (least % (size * 10) == 0 && least + size * 10 - 1 <= most) {
    size *= 10;
    ++zeros;
  }
  const std::uint64_t first = least / size % 10;
  std::uint64_t last = first;
  while (last < 9 && least + (last - first + 2) * size - 1 <= most) {
    ++last;
  }
  const Block block{.prefix = least / size / 10, .first = first, .last = last, .zeros = zeros};
  least += (last - first + 1) * size;
  return block;
}

std::string digits(int least, int most) {
  if (most == 0) {
    return "";
  }
  return least == most ? fmt::format("[0-9]{{{}}}", least)
                       : fmt::format("[0-9]{{{},{}}}", least, most);
}

std::string pattern_of(const Block& block, int most_zeros) {
  const std::string prefix = block.prefix == 0 ? "" : std::to_string(block.prefix);
  const std::string digit = block.first == block.last
                                ? std::to_string(block.first)
                                : fmt::format("[{}-{}]", block.first, block.last);
  return prefix + digit + digits(block.zeros, most_zeros);
}

}  // namespace

std::string number_pattern(std::uint64_t least, std::uint64_t most) {
  std::string pattern;
  while (least <= most) {
    const Block block = take_block(least, most);
    int most_zeros = block.zeros;
    // 1 to 9, 10 to 99 and so on, told as one.
    while (block.is_every_number_of_its_length() && least <= most) {
      std::uint64_t after = least;
      const Block next = take_block(after, most);
      if (!next.is_every_number_of_its_length()) {
        break;
      }
      most_zeros = next.zeros;
      least = after;
    }
    pattern += (pattern.empty() ? "" : "|") + pattern_of(block, most_zeros);
  }
  return "(?:" + pattern + ")";
}

std::string duration_pattern(const DurationRange& range) {
  const auto least = static_cast<std::uint64_t>(range.least.count());
  const auto most = static_cast<std::uint64_t>(range.most.count());
  std::string pattern = range.zero_too ? fmt::format("0|0+{}|", kUnits) : "";
  for (const Unit& unit : kUnitSizes) {
    const std::uint64_t first = (least + unit.nanoseconds - 1) / unit.nanoseconds;
    const std::uint64_t last = most / unit.nanoseconds;
    if (first <= last) {
      pattern += fmt::format("0*{}{}|", number_pattern(first, last), unit.pattern);
    }
  }
  pattern +=
      fmt::format(R"((?=.*(?:\.|[a-zµμ][0-9]))(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){})+)", kUnits);
  return "^(?:" + pattern + ")$";
}

}  // namespace router::control
