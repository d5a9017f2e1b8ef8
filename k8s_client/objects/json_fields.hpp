// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"
#include "k8s_client/objects/object_meta.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace k8s_client {

/// Reads the fields of one JSON object and remembers the first thing that is wrong, with its path.
///
/// So a `from_json` reads straight down, and asks once at its end. An absent field and a null one
/// are the same, as they are to the API server. Only for sources: this header is expensive.
class JsonFields {
 public:
  /// `object` and `failure` must outlive the reader. A value that is no object is a failure.
  JsonFields(const nlohmann::json& object, std::string path, std::optional<Failure>& failure);

  [[nodiscard]] bool has(const char* name) const;

  /// "" if absent.
  [[nodiscard]] std::string text(const char* name);
  /// Absent or empty is a failure.
  [[nodiscard]] std::string required_text(const char* name);
  [[nodiscard]] std::optional<bool> flag(const char* name);
  /// 1 to 65535.
  [[nodiscard]] std::optional<std::uint16_t> port(const char* name);
  [[nodiscard]] std::vector<std::string> texts(const char* name);
  [[nodiscard]] std::map<std::string, std::string> text_map(const char* name);
  /// A text or a whole number, as text: `IntOrString`.
  [[nodiscard]] std::string number_or_text(const char* name);

  /// The fields of a nested object; those of an empty one if it is absent.
  [[nodiscard]] JsonFields object(const char* name);

  /// Calls `visit(JsonFields)` for each element; not at all if the list is absent.
  template <class Visit>
  void for_each(const char* name, const Visit& visit) {
    const nlohmann::json* list = find(name);
    if (list == nullptr) {
      return;
    }
    if (!list->is_array()) {
      fail(Errc::wrong_type, name, "must be a list");
      return;
    }
    for (std::size_t i = 0; i < list->size() && !failure_; ++i) {
      visit(JsonFields{(*list)[i], path_of(name) + "[" + std::to_string(i) + "]", failure_});
    }
  }

  /// Records a failure of field `name`, unless there is one already.
  void fail(Errc why, const char* name, std::string_view words);

 private:
  [[nodiscard]] const nlohmann::json* find(const char* name) const;
  [[nodiscard]] std::string path_of(const char* name) const;

  const nlohmann::json& object_;
  std::string path_;
  std::optional<Failure>& failure_;
};

/// The `from_json` of an object: its metadata, then what `read(JsonFields& fields, Object& into)`
/// takes of it; or the first thing that is wrong.
template <class Object, class Read>
[[nodiscard]] Result<Object> read_object(const nlohmann::json& object, const Read& read) {
  Result<ObjectMeta> meta = ObjectMeta::from_json(object);
  if (!meta) {
    return meta.error();
  }
  std::optional<Failure> failure;
  JsonFields fields{object, "", failure};
  Object into;
  into.meta = *std::move(meta);
  read(fields, into);
  if (failure) {
    return *std::move(failure);
  }
  return into;
}

}  // namespace k8s_client
