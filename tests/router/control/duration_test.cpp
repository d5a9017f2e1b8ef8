// SPDX-License-Identifier: Apache-2.0
#include "router/control/duration.hpp"

#include <chrono>
#include <cstdint>
#include <random>
#include <string>

#include <catch2/catch.hpp>

using namespace router::control;
using namespace std::chrono_literals;

TEST_CASE("parse_duration: Go's durations are read", "[duration]") {
  const auto [text, duration] = GENERATE(table<std::string, std::chrono::nanoseconds>({
      {"0", 0ns},
      {"0s", 0ns},
      {"1ns", 1ns},
      {"5us", 5us},
      {"5\u00b5s", 5us},
      {"5\u03bcs", 5us},
      {"500ms", 500ms},
      {"1.5s", 1500ms},
      {".5s", 500ms},
      {"1.s", 1s},
      {"1m30s", 90s},
      {"1h2m3.004s", 1h + 2min + 3004ms},
      {"1s1h", 1h + 1s},
      {"0.000000001s", 1ns},
      {"0.0000000009s", 0ns},
      {"2562047h", 2562047h},
  }));
  CAPTURE(text);

  CHECK(parse_duration(text) == duration);
}

TEST_CASE("parse_duration: any other text is none", "[duration]") {
  const auto text = GENERATE(as<std::string>{},
                             "",
                             "1",
                             "00",
                             "s",
                             ".s",
                             "-1s",
                             "+1s",
                             "1 s",
                             " 1s",
                             "1s ",
                             "1d",
                             "1S",
                             "1.5.5s",
                             "1s2",
                             "1e3s",
                             "ms5",
                             "2562048h",
                             "2562047h48m",
                             "99999999999999999999s");
  CAPTURE(text);

  CHECK_FALSE(parse_duration(text));
}

TEST_CASE("format_duration: what it writes is read back as the same", "[duration][property]") {
  const auto seed = GENERATE(range(1U, 200U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  std::uniform_int_distribution<std::int64_t> any{0, INT64_MAX / 2};
  const std::chrono::nanoseconds duration{any(rng) >> (rng() % 60)};

  CHECK(parse_duration(format_duration(duration)) == duration);
}

TEST_CASE("format_duration: units that are 0 are left out", "[duration]") {
  CHECK(format_duration(0ns) == "0s");
  CHECK(format_duration(90s) == "1m30s");
  CHECK(format_duration(1h) == "1h");
  CHECK(format_duration(1500ms) == "1s500ms");
}
