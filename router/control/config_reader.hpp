// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_document.hpp"
#include "router/control/yaml_tree.hpp"
#include "router/route/policy.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace router::control {

struct DurationRange {
  Nanoseconds least;
  Nanoseconds most;
  bool zero_too = false;  ///< 0 is taken as well, though it is below `least`
};

struct CountRange {
  std::uint32_t least;
  std::uint32_t most;
};

/// Checks values of a YAML tree one by one, and collects what is wrong with them.
///
/// Every function that reads a value returns nothing after an error, and for null, which is as good
/// as leaving the field out.
class ConfigReader {
 public:
  /// A value and how to get there; lives for the call that is given it.
  struct Place {
    const YamlNode& node;
    std::string path;
  };

  /// A field that a map may have.
  struct Field {
    std::string_view name;
    std::function<void(const Place&)> read;
  };

  void fail(TextPlace place, std::string path, std::string message);

  /// Reads a map of known fields. Unknown and repeated ones are errors.
  void fields(const Place& map, std::span<const Field> known);

  /// Calls `read` for each member of a map with free keys. Repeated ones are errors.
  void members(const Place& map,
               const std::function<void(const YamlMember& member, const Place& value)>& read);

  /// Calls `read` for each item of a list.
  void items(const Place& list, const std::function<void(const Place& item)>& read);

  [[nodiscard]] std::optional<std::string> text(const Place& value);
  [[nodiscard]] std::optional<std::uint32_t> count(const Place& value, CountRange range);
  [[nodiscard]] std::optional<Nanoseconds> duration(const Place& value, DurationRange range);
  /// The index of the value in `names`.
  [[nodiscard]] std::optional<std::size_t> choice(const Place& value,
                                                  std::span<const std::string_view> names);

  /// In the order of the text. At most kMaxConfigErrors.
  [[nodiscard]] std::vector<ConfigError> take_errors();

 private:
  void fail(const Place& value, std::string message);
  [[nodiscard]] bool is_map(const Place& value);

  std::vector<ConfigError> errors_;
};

/// The caller's text in quotes, cut to a length that suits a log line, unprintable bytes replaced.
[[nodiscard]] std::string quoted(std::string_view text);

/// `path` with one field more: `a.b`, or `a["b.c"]` where the name is no word.
[[nodiscard]] std::string path_to(std::string_view path, std::string_view field);

}  // namespace router::control
