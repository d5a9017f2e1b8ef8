// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <nlohmann/json.hpp>

// What the `to_json` of the objects have in common. Only for sources: this header is expensive.
namespace k8s_client {

/// Adds a field, unless the text is empty: absent means the same to `from_json`, and half of an
/// endpoint's fields are.
inline void put_text(nlohmann::json& object, const char* field, const std::string& text) {
  if (!text.empty()) {
    object[field] = text;
  }
}

/// The beginning of an object's `to_json`: what it is, and its metadata.
template <class Object>
[[nodiscard]] nlohmann::json write_object(const Object& object) {
  return {{"apiVersion", Object::kApiVersion},
          {"kind", Object::kKind},
          {"metadata", object.meta.to_json()}};
}

}  // namespace k8s_client
