// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/config_reader.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace router::control {

/// What may stand at one place of the configuration document, as its reader takes it.
struct ConfigShape {
  struct Fields {};   ///< a map; `members` are its fields
  struct Entries {};  ///< a map with free keys; `members` is one entry
  struct Items {};    ///< a list; `members` is one item
  struct OneOf {};    ///< the name of one of the `members`, or a map of one of them
  struct Text {};
  struct Flag {};
  struct Constant {
    std::uint32_t number;
  };
  struct Choice {
    std::vector<std::string_view> names;
  };
  struct ChoiceOrDuration {
    std::vector<std::string_view> names;
    DurationRange range;
  };
  struct ChoiceOrCount {
    std::vector<std::string_view> names;
    CountRange range;
  };
  /// Of a place whose value is not read at all, which would be a mistake.
  using Nothing = std::monostate;

  std::string name;  ///< of the field; "" of the document itself
  std::variant<Nothing,
               Fields,
               Entries,
               Items,
               OneOf,
               Text,
               Flag,
               Constant,
               CountRange,
               FractionRange,
               DurationRange,
               Choice,
               ChoiceOrDuration,
               ChoiceOrCount>
      takes = {};
  std::vector<ConfigShape> members = {};
};

/// The whole document: what `parse_config` itself would take, since it is the same code that is
/// asked.
[[nodiscard]] ConfigShape survey_config();

}  // namespace router::control
