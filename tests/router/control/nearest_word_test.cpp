// SPDX-License-Identifier: Apache-2.0
#include "router/control/nearest_word.hpp"

#include <array>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using router::control::nearest_word;

namespace {
constexpr std::array<std::string_view, 4> kWords{"timeout", "connect", "request", "size"};
}

TEST_CASE("nearest_word: one or two slips are forgiven", "[nearest_word]") {
  const auto [misspelt, meant] = GENERATE(table<std::string, std::string>({
      {"timeout", "timeout"},
      {"Timeout", "timeout"},
      {"timeuot", "timeout"},
      {"time_out", "timeout"},
      {"conect", "connect"},
      {"requests", "request"},
      {"reqest", "request"},
      {"siz", "size"},
  }));

  CHECK(nearest_word(misspelt, kWords) == meant);
}

TEST_CASE("nearest_word: what is not near suggests nothing", "[nearest_word]") {
  const auto misspelt = GENERATE(as<std::string>{}, "", "retries", "sea", "policy");

  CHECK(nearest_word(misspelt, kWords).empty());
  CHECK(nearest_word(std::string(100'000, 'x'), kWords).empty());
}
