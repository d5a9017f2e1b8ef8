// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/log.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace std::chrono_literals;
using router::telemetry::format_log_line;
using router::telemetry::LogFormat;
using router::telemetry::LogLevel;
using router::telemetry::LogLine;
using router::telemetry::LogRate;

namespace {

constexpr LogRate::TimePoint kMidnight{};

LogLine line_of(std::string_view message, std::string_view error = {}) {
  return {.at = kMidnight + 1'700'000'000'123ms,
          .level = LogLevel::warning,
          .component = "control",
          .message = message,
          .error = error};
}

}  // namespace

TEST_CASE("log: a JSON line has the fields ts, level, msg, component and error", "[telemetry]") {
  const auto json =
      nlohmann::json::parse(format_log_line(LogFormat::json, line_of("watch ended", "410 Gone")));

  CHECK(json == nlohmann::json{{"ts", "2023-11-14T22:13:20.123Z"},
                               {"level", "warning"},
                               {"msg", "watch ended"},
                               {"component", "control"},
                               {"error", "410 Gone"}});
}

TEST_CASE("log: a line without an error has no such field", "[telemetry]") {
  const auto json = nlohmann::json::parse(format_log_line(LogFormat::json, line_of("ready")));

  CHECK_FALSE(json.contains("error"));
}

TEST_CASE("log: whatever the text holds, the line stays one line and valid", "[telemetry]") {
  const std::string_view text = GENERATE("quote \" and \\ backslash",
                                         "two\nlines",
                                         "\x01\x1f\x7f control",
                                         "not UTF-8: \xff\xfe",
                                         "\"}\n{\"level\":\"error\"");
  const std::string as_json = format_log_line(LogFormat::json, line_of(text, text));
  const std::string as_text = format_log_line(LogFormat::text, line_of(text, text));

  CAPTURE(as_json);
  CHECK(as_json.find('\n') == std::string::npos);
  CHECK(nlohmann::json::parse(as_json).size() == 5);
  CHECK(as_text.find('\n') == std::string::npos);
}

TEST_CASE("log: text is for people", "[telemetry]") {
  CHECK(format_log_line(LogFormat::text, line_of("watch ended", "410 Gone")) ==
        "2023-11-14T22:13:20.123Z warning control: watch ended: 410 Gone");
}

TEST_CASE("LogRate: lets a burst through, then its rate, and counts the rest", "[telemetry]") {
  LogRate rate;
  int admitted = 0;
  for (int i = 0; i < 2'000; ++i) {
    admitted += rate.admits(kMidnight) ? 1 : 0;
  }
  REQUIRE(admitted == 500);

  int later = 0;
  for (int i = 0; i < 1'000; ++i) {
    later += rate.admits(kMidnight + 2s) ? 1 : 0;
  }

  CHECK(later == 100);
  CHECK(rate.take_suppressed() == 1'500 + 900);
  CHECK(rate.take_suppressed() == 0);
}

TEST_CASE("LogRate: a clock that is set back neither blocks the log nor opens it", "[telemetry]") {
  LogRate rate;
  const auto noon = kMidnight + 12h;
  for (int i = 0; i < 500; ++i) {
    REQUIRE(rate.admits(noon));
  }
  REQUIRE_FALSE(rate.admits(noon));

  CHECK_FALSE(rate.admits(kMidnight));
  CHECK(rate.admits(kMidnight + 1s));
}
