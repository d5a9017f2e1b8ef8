// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/object_file.hpp"

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

namespace k8s_client {
namespace {

using nlohmann::json;

/// How many values a text may hold, aliases expanded, per byte of it: without aliases it is below
/// one.
constexpr std::size_t kMaxNodesPerByte = 4;
/// Of one file; who has more to mend has enough to begin with.
constexpr std::size_t kMaxProblems = 20;

/// FNV-1a: the same content has the same version, on each node and after a restart.
std::string version_of(const json& object) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : object.dump(-1, ' ', false, json::error_handler_t::replace)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return "file-" + std::to_string(hash);
}

/// What the API server would have added.
void complete(json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) {
    return;  // will be refused
  }
  const auto set_if_absent = [&metadata](const char* name, std::string value) {
    const auto field = metadata->find(name);
    if (field == metadata->end() || field->is_null()) {
      (*metadata)[name] = std::move(value);
    }
  };
  set_if_absent("namespace", "default");
  set_if_absent("resourceVersion", version_of(object));
}

class FileReader {
 public:
  FileReader(const std::string& name, std::vector<FileProblem>& problems)
      : name_{name}, problems_{problems} {}

  ObjectFile read(const std::string& text) {
    const auto documents = load_yaml(text);
    if (!documents) {
      report_unknown(documents.error().place, documents.error().reason);
      return std::move(file_);
    }
    for (const YAML::Node& document : *documents) {
      auto value = yaml_to_json(document, text.size() * kMaxNodesPerByte + 1);
      if (!value) {
        report_unknown(value.error().place, value.error().reason);
      } else if (!value->is_null()) {
        take_object(*value, document);
      }
    }
    return std::move(file_);
  }

 private:
  /// Of a part that may be an object of any kind.
  void report_unknown(TextPlace place, std::string reason) {
    file_.may_hold_config_maps = true;
    report(place, std::move(reason));
  }

  void report(TextPlace place, std::string reason) {
    if (problems_.size() < kMaxProblems) {
      problems_.push_back(
          {.file = name_, .line = place.line, .column = place.column, .reason = std::move(reason)});
    }
  }

  void take_object(json& object, const YAML::Node& node) {
    const std::string kind = text_at(object, node, "kind");
    const std::string api_version = kind.empty() ? "" : text_at(object, node, "apiVersion");
    if (api_version.empty()) {
      return;  // reported
    }
    if (kind == "List" && api_version == "v1") {
      take_list(object, node);
    } else {
      const auto take = [&](auto&... lists) {
        static_cast<void>((take_if(lists, kind, api_version, object, node) || ...));
      };
      std::apply(take, file_.objects);
    }
  }

  void take_list(json& list, const YAML::Node& node) {
    const auto items = list.find("items");
    if (items == list.end() || !items->is_array()) {
      report_unknown(place_of(node, "items"), "items: must be a list");
      return;
    }
    const YAML::Node nodes = node["items"];
    for (std::size_t i = 0; i < items->size(); ++i) {
      const json& item = (*items)[i];
      if (item.is_object() && item.value("kind", json{}) == "List") {
        report_unknown(place_of(nodes[i], ""), "a List within a List");
      } else {
        take_object((*items)[i], nodes[i]);
      }
    }
  }

  /// Whether the object is of the kind of `list`; then it is in it, or reported.
  template <class Object>
  bool take_if(std::vector<Placed<Object>>& list,
               const std::string& kind,
               const std::string& api_version,
               json& object,
               const YAML::Node& node) {
    if (kind != Object::kKind || api_version != Object::kApiVersion) {
      return false;
    }
    file_.may_hold_config_maps |= std::is_same_v<Object, ConfigMap>;
    complete(object);
    Result<Object> parsed = Object::from_json(object);
    if (parsed) {
      list.push_back({*std::move(parsed), place_of(node, "")});
    } else {
      report(place_of(node, parsed.error().field), parsed.error().message());
    }
    return true;
  }

  /// "" after a report that it is not there.
  std::string text_at(const json& object, const YAML::Node& node, const char* field) {
    if (object.is_object()) {
      const auto found = object.find(field);
      if (found != object.end() && found->is_string()) {
        return found->get<std::string>();
      }
    }
    report_unknown(place_of(node, field),
                   std::string{field} + ": is required, as this is no object of Kubernetes");
    return {};
  }

  const std::string& name_;
  std::vector<FileProblem>& problems_;
  ObjectFile file_;
};

}  // namespace

std::string FileProblem::message() const {
  std::string text = file + ":";
  if (line > 0) {
    text += std::to_string(line) + ":" + std::to_string(column) + ":";
  }
  return text + " " + reason;
}

ObjectFile parse_object_file(const std::string& name,
                             const std::string& text,
                             std::vector<FileProblem>& problems) {
  return FileReader{name, problems}.read(text);
}

}  // namespace k8s_client
