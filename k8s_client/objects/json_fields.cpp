// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/objects/json_fields.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace k8s_client {
namespace {

using nlohmann::json;

const json kNoFields = json::object();

}  // namespace

JsonFields::JsonFields(const json& object, std::string path, std::optional<Failure>& failure)
    : object_{object.is_object() ? object : kNoFields}, path_{std::move(path)}, failure_{failure} {
  if (!object.is_object() && !failure_) {
    const std::string what = path_.empty() ? "the object" : path_;
    failure_ = Failure{Errc::wrong_type, what + ": must be a map"};
    failure_->field = path_;
  }
}

bool JsonFields::has(const char* name) const {
  return find(name) != nullptr;
}

std::string JsonFields::text(const char* name) {
  const json* value = find(name);
  if (value == nullptr) {
    return {};
  }
  if (!value->is_string()) {
    fail(Errc::wrong_type, name, "must be a string");
    return {};
  }
  return value->get<std::string>();
}

std::string JsonFields::required_text(const char* name) {
  std::string value = text(name);
  if (value.empty()) {
    fail(Errc::missing_field, name, "is required");
  }
  return value;
}

std::optional<bool> JsonFields::flag(const char* name) {
  const json* value = find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_boolean()) {
    fail(Errc::wrong_type, name, "must be true or false");
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<std::uint16_t> JsonFields::port(const char* name) {
  const json* value = find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  constexpr std::uint64_t kMaxPort = std::numeric_limits<std::uint16_t>::max();
  // A positive number is stored unsigned by the parser, but signed when made from an `int`.
  const bool is_positive = value->is_number_integer() && value->get<std::int64_t>() > 0;
  if (!is_positive || value->get<std::uint64_t>() > kMaxPort) {
    fail(Errc::wrong_type, name, "must be a port number, 1 to 65535");
    return std::nullopt;
  }
  return value->get<std::uint16_t>();
}

std::vector<std::string> JsonFields::texts(const char* name) {
  const json* list = find(name);
  if (list == nullptr) {
    return {};
  }
  const auto is_text = [](const json& value) { return value.is_string(); };
  if (!list->is_array() || !std::all_of(list->begin(), list->end(), is_text)) {
    fail(Errc::wrong_type, name, "must be a list of strings");
    return {};
  }
  return list->get<std::vector<std::string>>();
}

std::map<std::string, std::string> JsonFields::text_map(const char* name) {
  const json* map = find(name);
  if (map == nullptr) {
    return {};
  }
  if (!map->is_object()) {
    fail(Errc::wrong_type, name, "must be a map");
    return {};
  }
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : map->items()) {
    if (!value.is_string()) {
      fail(Errc::wrong_type, (std::string{name} + "." + key).c_str(), "must be a string");
      return {};
    }
    texts.emplace(key, value.get<std::string>());
  }
  return texts;
}

std::string JsonFields::number_or_text(const char* name) {
  const json* value = find(name);
  if (value == nullptr) {
    return {};
  }
  if (value->is_number_integer()) {
    return value->dump();
  }
  return text(name);
}

JsonFields JsonFields::object(const char* name) {
  const json* value = find(name);
  return {value == nullptr ? kNoFields : *value, path_of(name), failure_};
}

void JsonFields::fail(Errc why, const char* name, std::string_view words) {
  if (failure_) {
    return;
  }
  std::string field = path_of(name);
  failure_ = Failure{why, (field + ": ").append(words)};
  failure_->field = std::move(field);
}

const json* JsonFields::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::string JsonFields::path_of(const char* name) const {
  return path_.empty() ? name : path_ + "." + name;
}

}  // namespace k8s_client
