// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_schema.hpp"

#include "router/control/config_document.hpp"
#include "router/control/config_survey.hpp"
#include "router/control/duration.hpp"
#include "router/control/value_pattern.hpp"

#include <chrono>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace router;
using namespace router::control;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// What is left of a schema if each field is replaced by its default.
json defaults_of(const json& schema) {
  if (const auto found = schema.find("default"); found != schema.end()) {
    return *found;
  }
  json fields = json::object();
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, field] : properties.items()) {
    if (json value = defaults_of(field); !value.empty()) {
      fields[name] = std::move(value);
    }
  }
  return fields;
}

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_match(text, std::regex{pattern});
}

const ConfigShape& member(const ConfigShape& shape, std::string_view name) {
  const auto found = std::find_if(
      shape.members.begin(), shape.members.end(), [name](const auto& m) { return m.name == name; });
  REQUIRE(found != shape.members.end());
  return *found;
}

void require_that_all_is_read(const ConfigShape& shape) {
  CAPTURE(shape.name);
  REQUIRE_FALSE(std::holds_alternative<ConfigShape::Nothing>(shape.takes));
  for (const ConfigShape& inner : shape.members) {
    require_that_all_is_read(inner);
  }
}

}  // namespace

TEST_CASE("config_schema: docs/nodeway.schema.json is what this version prints",
          "[config_schema]") {
  std::ostringstream published;
  published << std::ifstream{NODEWAY_SOURCE_DIR "/docs/nodeway.schema.json"}.rdbuf();

  INFO("mend it by: nodeway check --schema >docs/nodeway.schema.json");
  CHECK(published.str() == config_schema());
}

TEST_CASE("config_schema: the defaults that it tells are those in force without a configuration",
          "[config_schema]") {
  json document = defaults_of(json::parse(config_schema()));
  document["version"] = 1;

  const ParsedConfig parsed = parse_config(document.dump());

  CAPTURE(document.dump());
  REQUIRE(parsed.is_valid());
  CHECK(parsed.document.default_namespace == ConfigDocument{}.default_namespace);
  CHECK(parsed.document.cluster_domain == ConfigDocument{}.cluster_domain);
  CHECK(parsed.document.policy_for("a.b", 80) == Policy{});
  CHECK(parsed.document.defaults.queue_requests);  // and it tells of the innermost ones, too
}

TEST_CASE("survey_config: finds every field with its range, and what an entry may hold",
          "[config_schema]") {
  const ConfigShape document = survey_config();

  require_that_all_is_read(document);
  const ConfigShape& queue = member(member(member(document, "defaults"), "limits"), "queue");
  CHECK(std::get<CountRange>(member(queue, "size").takes).most == 100'000);
  CHECK(std::get<DurationRange>(member(queue, "timeout").takes).most == 2min);
  const ConfigShape& services = member(document, "services");
  CHECK(std::holds_alternative<ConfigShape::Entries>(services.takes));
  CHECK(services.members.front().members.size() == member(document, "defaults").members.size());
}

TEST_CASE("number_pattern: matches the numbers of its range and no others", "[config_schema]") {
  const auto [least, most] = GENERATE(table<std::uint64_t, std::uint64_t>(
      {{1, 1}, {1, 9}, {1, 24}, {1, 120}, {3, 1999}, {10, 3600}, {100, 999}, {37, 1205}}));
  const std::regex pattern{number_pattern(least, most)};
  CAPTURE(least, most, number_pattern(least, most));

  for (std::uint64_t number = 0; number <= 2 * most + 10; ++number) {
    const bool is_within = least <= number && number <= most;
    if (std::regex_match(std::to_string(number), pattern) != is_within) {
      FAIL(number);
    }
  }
  CHECK_FALSE(std::regex_match("", pattern));
}

TEST_CASE("duration_pattern: agrees with the reader on durations of one part", "[config_schema]") {
  const DurationRange range{.least = 10ms, .most = 1h};
  const std::string pattern = duration_pattern(range);
  const char* const unit = GENERATE("h", "m", "s", "ms", "us", "ns", "µs", "d", "");

  for (const std::uint64_t number : {0ULL,
                                     1ULL,
                                     2ULL,
                                     9ULL,
                                     10ULL,
                                     60ULL,
                                     61ULL,
                                     3600ULL,
                                     3601ULL,
                                     9999ULL,
                                     10000ULL,
                                     3600000ULL,
                                     3600001ULL,
                                     9999999ULL,
                                     10000000ULL,
                                     3600000000000ULL,
                                     3600001000000000ULL}) {
    const std::string text = std::to_string(number) + unit;
    CAPTURE(text);
    const auto parsed = parse_duration(text);
    const bool is_within = parsed && *parsed >= range.least && *parsed <= range.most;
    CHECK(matches(text, pattern) == is_within);
  }
}

TEST_CASE("duration_pattern: takes sums, fractions and, where it is allowed, zero",
          "[config_schema]") {
  const std::string with_zero = duration_pattern({.least = 1ms, .most = 24h, .zero_too = true});
  const std::string without = duration_pattern({.least = 1ms, .most = 24h});

  for (const char* const text : {"1m30s", "1.5s", ".5s", "1.s", "007s", "1h0m0.5s"}) {
    CAPTURE(text);
    CHECK(matches(text, with_zero));
    CHECK(matches(text, without));
  }
  for (const char* const text : {"0", "0s", "00ms"}) {
    CAPTURE(text);
    CHECK(matches(text, with_zero));
    CHECK_FALSE(matches(text, without));
  }
  for (const char* const text : {"", "1", "s", "-1s", "+1s", "1 s", "1s ", "1m30", "1..5s", ".s"}) {
    CAPTURE(text);
    CHECK_FALSE(matches(text, with_zero));
  }
}
