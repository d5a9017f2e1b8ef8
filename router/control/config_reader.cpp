// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_reader.hpp"

#include "router/control/duration.hpp"
#include "router/control/nearest_word.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace router::control {
namespace {

constexpr std::size_t kMaxQuotedBytes = 80;

std::string_view name_of(YamlNode::Kind kind) noexcept {
  switch (kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a single value";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
  }
  return "";
}

std::string suggestion(std::string_view wrong, std::span<const std::string_view> words) {
  const std::string_view nearest = nearest_word(wrong, words);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

bool is_scalar(const ConfigReader::Place& value) noexcept {
  return value.node.kind == YamlNode::Kind::scalar;
}

/// A number needs no quotes, and in quotes it is text: as in JSON, and as the schema says.
std::optional<std::uint64_t> number_of(const YamlNode& node) {
  std::uint64_t number = 0;
  const char* last = node.text.data() + node.text.size();
  const auto [end, error] = std::from_chars(node.text.data(), last, number);
  if (!node.is_plain || error != std::errc{} || end != last) {
    return std::nullopt;
  }
  return number;
}

/// The same of a number that may have a fraction. No exponent, no sign: nobody writes a share so.
std::optional<double> decimal_of(const YamlNode& node) {
  double number = 0;
  const char* last = node.text.data() + node.text.size();
  const auto [end, error] =
      std::from_chars(node.text.data(), last, number, std::chars_format::fixed);
  if (!node.is_plain || error != std::errc{} || end != last || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

/// What YAML's core schema, and so JSON and the editor, takes for a number or a boolean. Source:
/// YAML 1.2.2 section 10.3.2.
bool is_number_or_boolean(const YamlNode& node) {
  static constexpr std::array<std::string_view, 6> kBooleans{
      "true", "True", "TRUE", "false", "False", "FALSE"};
  const std::string& text = node.text;
  if (!node.is_plain || text.empty()) {
    return false;
  }
  if (std::find(kBooleans.begin(), kBooleans.end(), text) != kBooleans.end()) {
    return true;
  }
  if (text.starts_with("0x") || text.starts_with("0o")) {
    const char* const digits = text[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
    return text.size() > 2 && text.find_first_not_of(digits, 2) == std::string::npos;
  }
  double ignored = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, ignored);
  const bool is_word = text.find_first_not_of("0123456789.eE+-") != std::string::npos;
  return end == last && error != std::errc::invalid_argument && !is_word;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string result{"\""};
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte < ' ' || byte == 0x7f ? '?' : c;
  }
  return result + (text.size() > kMaxQuotedBytes ? "…\"" : "\"");
}

std::string path_to(std::string_view path, std::string_view field) {
  const bool is_word = !field.empty() && std::all_of(field.begin(), field.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!is_word) {
    return fmt::format("{}[{}]", path, quoted(field));
  }
  return path.empty() ? std::string{field.substr(0, kMaxQuotedBytes)}
                      : fmt::format("{}.{}", path, field.substr(0, kMaxQuotedBytes));
}

void ConfigReader::fail(TextPlace place, std::string path, std::string message) {
  if (errors_.size() < kMaxConfigErrors) {
    errors_.push_back({.line = place.line,
                       .column = place.column,
                       .message = std::move(message),
                       .path = std::move(path)});
  }
}

void ConfigReader::fail(const Place& value, std::string message) {
  fail(value.node.place, value.path, std::move(message));
}

bool ConfigReader::is_map(const Place& value) {
  const YamlNode::Kind kind = value.node.kind;
  if (kind != YamlNode::Kind::map && kind != YamlNode::Kind::null) {
    fail(value, fmt::format("a map of fields is expected here, not {}", name_of(kind)));
  }
  return kind == YamlNode::Kind::map;
}

void ConfigReader::members(
    const Place& map,
    const std::function<void(const YamlMember& member, const Place& value)>& read) {
  if (!is_map(map)) {
    return;
  }
  std::set<std::string_view> seen;
  for (const YamlMember& member : map.node.members) {
    const std::string path = path_to(map.path, member.key);
    if (!seen.insert(member.key).second) {
      fail(member.place, path, fmt::format("{} is there twice", quoted(member.key)));
      continue;
    }
    read(member, {.node = member.value, .path = path});
  }
}

void ConfigReader::fields(const Place& map, std::span<const Field> known) {
  members(map, [this, known](const YamlMember& member, const Place& value) {
    const auto field = std::find_if(
        known.begin(), known.end(), [&member](const Field& f) { return f.name == member.key; });
    if (field != known.end()) {
      field->read(value);
      return;
    }
    std::vector<std::string_view> names;
    std::transform(known.begin(), known.end(), std::back_inserter(names), [](const Field& f) {
      return f.name;
    });
    fail(member.place,
         value.path,
         fmt::format("unknown field {}{}", quoted(member.key), suggestion(member.key, names)));
  });
}

void ConfigReader::items(const Place& list, const std::function<void(const Place& item)>& read) {
  const YamlNode::Kind kind = list.node.kind;
  if (kind != YamlNode::Kind::sequence && kind != YamlNode::Kind::null) {
    fail(list, fmt::format("a list is expected here, not {}", name_of(kind)));
  }
  for (std::size_t i = 0; i < list.node.items.size(); ++i) {
    read({.node = list.node.items[i], .path = fmt::format("{}[{}]", list.path, i)});
  }
}

void ConfigReader::one_of(const Place& value, std::span<const Field> alternatives) {
  std::vector<std::string_view> names;
  std::transform(alternatives.begin(),
                 alternatives.end(),
                 std::back_inserter(names),
                 [](const Field& alternative) { return alternative.name; });
  if (value.node.kind != YamlNode::Kind::map) {
    YamlNode without_settings;
    without_settings.place = value.node.place;
    if (const auto index = choice(value, names)) {
      alternatives[*index].read({.node = without_settings, .path = value.path});
    }
    return;
  }
  if (value.node.members.size() != 1) {
    fail(
        value,
        fmt::format("one of {} is expected here, with what belongs to it", fmt::join(names, ", ")));
    return;
  }
  fields(value, alternatives);
}

std::optional<bool> ConfigReader::flag(const Place& value) {
  const YamlNode& node = value.node;
  if (node.kind == YamlNode::Kind::null) {
    return std::nullopt;
  }
  if (!node.is_plain || (node.text != "true" && node.text != "false")) {
    fail(value, "true or false is expected here");
    return std::nullopt;
  }
  return node.text == "true";
}

std::optional<std::string> ConfigReader::text(const Place& value) {
  if (is_scalar(value) && is_number_or_boolean(value.node)) {
    fail(value, fmt::format("text is expected here: write \"{}\" in quotes", value.node.text));
    return std::nullopt;
  }
  return scalar(value);
}

void ConfigReader::constant(const Place& value, std::uint32_t number, std::string_view problem) {
  if (value.node.kind != YamlNode::Kind::null &&
      !(is_scalar(value) && number_of(value.node) == number)) {
    fail(value, fmt::format("{}; {} is expected", problem, number));
  }
}

std::optional<std::string> ConfigReader::scalar(const Place& value) {
  if (is_scalar(value)) {
    return value.node.text;
  }
  if (value.node.kind != YamlNode::Kind::null) {
    fail(value, fmt::format("text is expected here, not {}", name_of(value.node.kind)));
  }
  return std::nullopt;
}

template <class Number, class Range>
std::optional<Number> ConfigReader::number(const Place& value,
                                           std::optional<Number> written,
                                           const Range& range,
                                           std::string_view kind) {
  if (value.node.kind == YamlNode::Kind::null) {
    return std::nullopt;
  }
  if (!is_scalar(value) || !written || *written < range.least || *written > range.most) {
    fail(value,
         fmt::format("{} is no {} from {} to {}",
                     is_scalar(value) ? quoted(value.node.text) : name_of(value.node.kind),
                     kind,
                     range.least,
                     range.most));
    return std::nullopt;
  }
  return written;
}

std::optional<std::uint32_t> ConfigReader::count(const Place& value, CountRange range) {
  const auto read = number(value, number_of(value.node), range, "whole number");
  return read ? std::optional{static_cast<std::uint32_t>(*read)} : std::nullopt;
}

std::optional<double> ConfigReader::fraction(const Place& value, FractionRange range) {
  return number(value, decimal_of(value.node), range, "number");
}

std::optional<std::variant<std::size_t, std::uint32_t>> ConfigReader::choice_or_count(
    const Place& value, std::span<const std::string_view> names, CountRange range) {
  if (is_scalar(value) && number_of(value.node)) {
    return count(value, range);
  }
  return choice(value, names);
}

std::optional<Nanoseconds> ConfigReader::duration(const Place& value, DurationRange range) {
  const std::optional<std::string> written = scalar(value);
  if (!written) {
    return std::nullopt;
  }
  const std::optional<Nanoseconds> duration = parse_duration(*written);
  if (!duration) {
    fail(value,
         fmt::format("{} is no duration: number and unit are expected, as in 500ms, 1.5s, 1m30s",
                     quoted(*written)));
    return std::nullopt;
  }
  const bool is_zero = range.zero_too && *duration == Nanoseconds{0};
  if (!is_zero && (*duration < range.least || *duration > range.most)) {
    fail(value,
         fmt::format("{} is out of range: {} to {}{} is allowed",
                     *written,
                     format_duration(range.least),
                     format_duration(range.most),
                     range.zero_too ? ", or 0 for none," : ""));
    return std::nullopt;
  }
  return duration;
}

std::optional<std::variant<std::size_t, Nanoseconds>> ConfigReader::choice_or_duration(
    const Place& value, std::span<const std::string_view> names, DurationRange range) {
  const auto word = std::find(names.begin(), names.end(), value.node.text);
  if (is_scalar(value) && word != names.end()) {
    return static_cast<std::size_t>(word - names.begin());
  }
  return duration(value, range);
}

std::optional<std::size_t> ConfigReader::choice(const Place& value,
                                                std::span<const std::string_view> names) {
  const std::optional<std::string> written = scalar(value);
  if (!written) {
    return std::nullopt;
  }
  const auto found = std::find(names.begin(), names.end(), *written);
  if (found == names.end()) {
    fail(value,
         fmt::format("{} is none of {}{}",
                     quoted(*written),
                     fmt::join(names, ", "),
                     suggestion(*written, names)));
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - names.begin());
}

std::vector<ConfigError> ConfigReader::take_errors() {
  std::stable_sort(errors_.begin(), errors_.end(), [](const ConfigError& a, const ConfigError& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return std::move(errors_);
}

}  // namespace router::control
