// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include <yaml-cpp/node/node.h>

#include <nlohmann/json.hpp>

namespace k8s_client {

/// A place in a text, both from 1; 0 if it cannot be told.
struct TextPlace {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  bool operator==(const TextPlace&) const = default;
};

/// What is wrong with a YAML text, and where.
struct YamlProblem {
  TextPlace place;
  std::string reason;
};

template <class T>
using YamlResult = boost::system::result<T, YamlProblem>;

/// The documents of a YAML text, or of a JSON text, which is YAML too. The syntax error of any of
/// them is that of all.
[[nodiscard]] YamlResult<std::vector<YAML::Node>> load_yaml(const std::string& text);

/// YAML as JSON, by the core schema: plain scalars are null, booleans, numbers or strings by their
/// look, quoted ones are strings.
///
/// Refused, where yaml-cpp is silent: duplicate keys, merge keys (`<<`), keys that are no scalars,
/// numbers that JSON does not have, more than `kMaxDepth` levels, and aliases that make more than
/// `max_nodes` out of the text. Source: YAML 1.2.2 section 10.3 (core schema).
[[nodiscard]] YamlResult<nlohmann::json> yaml_to_json(const YAML::Node& node,
                                                      std::size_t max_nodes);

/// Deep enough for any object of Kubernetes; bounds the recursion, and ends an alias that holds
/// itself.
constexpr std::size_t kMaxYamlDepth = 64;

/// Where a field stands, by the path that `Failure::field` has (`spec.ports[0].port`). Of a field
/// that is missing: where the innermost map around it stands.
[[nodiscard]] TextPlace place_of(const YAML::Node& document, std::string_view field);

}  // namespace k8s_client
