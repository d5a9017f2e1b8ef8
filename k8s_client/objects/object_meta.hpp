// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <compare>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace k8s_client {

/// A point in the API server's history. Opaque: compared for equality only, never for order.
using ResourceVersion = std::string;

/// What identifies an object of one kind at one time. `namespace` is a word of the language, hence
/// `ns`.
struct ObjectKey {
  std::string ns;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
};

/// The part of `metadata` that routing needs. Labels, annotations and managed fields are left
/// behind at parsing: they are most of an object's size, and thousands of objects are held.
struct ObjectMeta {
  ObjectKey key;
  std::string uid;  ///< tells an object from a later one of the same name; may be empty in files
  ResourceVersion resource_version;

  bool operator==(const ObjectMeta&) const = default;

  /// Reads `object.metadata`. A missing name is an error; a missing namespace is empty.
  [[nodiscard]] static Result<ObjectMeta> from_json(const nlohmann::json& object);

  /// The `metadata` that `from_json` makes the same of.
  [[nodiscard]] nlohmann::json to_json() const;
};

}  // namespace k8s_client
