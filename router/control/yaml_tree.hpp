// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/result.hpp>

namespace router::control {

/// A place in a text, both from 1.
struct TextPlace {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  auto operator<=>(const TextPlace&) const = default;
};

struct YamlMember;

/// One value of a YAML document, with its place and its aliases resolved.
struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, sequence, map };

  Kind kind = Kind::null;
  TextPlace place;
  std::string text;       ///< of a scalar
  bool is_plain = false;  ///< a scalar without quotes or tag: may be a number
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;  ///< in the order of the text, duplicates among them
};

struct YamlMember {
  std::string key;
  TextPlace place;  ///< of the key
  YamlNode value;
};

struct YamlError {
  TextPlace place;
  std::string message;
};

/// How much of a document is taken: it comes from whoever may write the ConfigMap.
struct YamlLimits {
  std::size_t depth = 16;             ///< the deepest field of the configuration is at 5
  std::size_t nodes = 200'000;        ///< with aliases resolved: 5,000 Services take a quarter
  std::size_t text_bytes = 4U << 20;  ///< with aliases resolved: four documents of the largest size
};

/// Reads a text that holds one document, or none (then the node is null). yaml-cpp's own tree does
/// not do: it swallows duplicate keys and does not bound what aliases expand to.
[[nodiscard]] boost::system::result<YamlNode, YamlError> parse_yaml(std::string_view text,
                                                                    const YamlLimits& limits = {});

}  // namespace router::control
