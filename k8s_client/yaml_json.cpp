// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/yaml_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>
#include <utility>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace k8s_client {
namespace {

using nlohmann::json;

TextPlace place_at(const YAML::Mark& mark) {
  if (mark.is_null()) {
    return {};
  }
  return {.line = static_cast<std::uint32_t>(mark.line) + 1,
          .column = static_cast<std::uint32_t>(mark.column) + 1};
}

template <std::size_t n>
bool is_one_of(const std::string& text, const std::array<std::string_view, n>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// The whole text as a number, or nothing.
template <class Number, class... Base>
std::optional<Number> number_from(std::string_view text, Base... base) {
  Number number{};
  const auto [end, problem] =
      std::from_chars(text.data(), text.data() + text.size(), number, base...);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

bool is_all_of(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

std::optional<json> integer_from(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0o")) {
    const auto number = number_from<std::uint64_t>(text.substr(2), text[1] == 'x' ? 16 : 8);
    return number ? std::optional<json>{*number} : std::nullopt;
  }
  if (const auto number = number_from<std::uint64_t>(text)) {
    return json(*number);
  }
  const auto number = number_from<std::int64_t>(text);
  return number ? std::optional<json>{*number} : std::nullopt;
}

std::optional<json> float_from(std::string_view text) {
  // from_chars would also take "inf", "nan" and their like, which are words here.
  if (!is_all_of(text, "0123456789.eE+-")) {
    return std::nullopt;
  }
  const auto number = number_from<double>(text);
  return number ? std::optional<json>{*number} : std::nullopt;
}

json plain_scalar(const std::string& text) {
  static constexpr std::array<std::string_view, 5> kNulls{"", "~", "null", "Null", "NULL"};
  static constexpr std::array<std::string_view, 3> kTrue{"true", "True", "TRUE"};
  static constexpr std::array<std::string_view, 3> kFalse{"false", "False", "FALSE"};
  if (is_one_of(text, kNulls)) {
    return nullptr;
  }
  if (is_one_of(text, kTrue) || is_one_of(text, kFalse)) {
    return is_one_of(text, kTrue);
  }
  const bool has_plus = text.front() == '+' && text.size() > 1 && text[1] != '-' && text[1] != '+';
  const std::string_view digits = std::string_view{text}.substr(has_plus ? 1 : 0);
  if (auto number = integer_from(digits)) {
    return *std::move(number);
  }
  if (auto number = float_from(digits)) {
    return *std::move(number);
  }
  return text;
}

/// Refuses what yaml-cpp takes for documents without end: it does not pass over a comma that no
/// list is around.
class Progress final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (mark.pos <= last_) {
      throw YAML::ParserException{mark, "a character that cannot stand here"};
    }
    last_ = mark.pos;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&,
                const std::string&,
                YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&,
                       const std::string&,
                       YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&,
                  const std::string&,
                  YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int last_ = -1;
};

/// Thrown within the conversion alone, and caught at its end.
struct Refusal {
  YamlProblem problem;
};

class Converter {
 public:
  explicit Converter(std::size_t max_nodes) : nodes_left_{max_nodes} {}

  json convert(const YAML::Node& node, std::size_t depth) {
    if (depth > kMaxYamlDepth) {
      refuse(node, "is nested too deeply");
    }
    if (nodes_left_-- == 0) {
      refuse(node, "aliases make too much of this");
    }
    switch (node.Type()) {
      case YAML::NodeType::Sequence:
        return sequence(node, depth);
      case YAML::NodeType::Map:
        return map(node, depth);
      case YAML::NodeType::Scalar:
        return scalar(node);
      default:
        return nullptr;
    }
  }

 private:
  [[noreturn]] static void refuse(const YAML::Node& node, std::string reason) {
    throw Refusal{{.place = place_at(node.Mark()), .reason = std::move(reason)}};
  }

  json sequence(const YAML::Node& node, std::size_t depth) {
    json list = json::array();
    for (const YAML::Node& element : node) {
      list.push_back(convert(element, depth + 1));
    }
    return list;
  }

  json map(const YAML::Node& node, std::size_t depth) {
    json object = json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        refuse(entry.first, "a key must be a string");
      }
      const std::string& key = entry.first.Scalar();
      if (key == "<<" && entry.first.Tag() == "?") {
        refuse(entry.first, "merge keys are not supported");
      }
      if (object.contains(key)) {
        refuse(entry.first, "duplicate key '" + key + "'");
      }
      object[key] = convert(entry.second, depth + 1);
    }
    return object;
  }

  static json scalar(const YAML::Node& node) {
    const bool is_plain = node.Tag() == "?" || node.Tag().empty();
    if (!is_plain) {
      return node.Scalar();  // quoted, or tagged as something that JSON has as text at best
    }
    return plain_scalar(node.Scalar());
  }

  std::size_t nodes_left_;
};

/// The entry of `map` that `path` goes through, by its longest key: keys may hold dots themselves.
std::optional<std::pair<YAML::Node, std::size_t>> step_into(const YAML::Node& map,
                                                            std::string_view path) {
  std::optional<std::pair<YAML::Node, std::size_t>> best;
  for (const auto& entry : map) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string{};
    const bool fits =
        !key.empty() && path.starts_with(key) &&
        (path.size() == key.size() || path[key.size()] == '.' || path[key.size()] == '[');
    if (fits && (!best || key.size() > best->second)) {
      best.emplace(entry.second, key.size());
    }
  }
  return best;
}

}  // namespace

YamlResult<std::vector<YAML::Node>> load_yaml(const std::string& text) {
  try {
    std::istringstream stream{text};
    YAML::Parser parser{stream};
    Progress progress;
    while (parser.HandleNextDocument(progress)) {
    }
    return YAML::LoadAll(text);
  } catch (const YAML::Exception& problem) {
    return YamlProblem{.place = place_at(problem.mark), .reason = problem.msg};
  }
}

YamlResult<json> yaml_to_json(const YAML::Node& node, std::size_t max_nodes) {
  try {
    return Converter{max_nodes}.convert(node, 0);
  } catch (const Refusal& refusal) {
    return refusal.problem;
  }
}

TextPlace place_of(const YAML::Node& document, std::string_view field) {
  YAML::Node node = document;
  while (!field.empty()) {
    std::optional<YAML::Node> next;
    std::size_t taken = 0;
    if (field.front() == '[' && node.IsSequence()) {
      taken = std::min(field.find(']'), field.size() - 1) + 1;
      const auto index = number_from<std::size_t>(field.substr(1, taken - 2));
      if (index && *index < node.size()) {
        next = YAML::Node{node}[*index];
      }
    } else if (node.IsMap()) {
      if (auto entry = step_into(node, field)) {
        next = entry->first;
        taken = entry->second;
      }
    }
    if (!next || next->Mark().is_null()) {
      break;
    }
    node.reset(*next);
    field.remove_prefix(taken);
    if (field.starts_with('.')) {
      field.remove_prefix(1);
    }
  }
  return place_at(node.Mark());
}

}  // namespace k8s_client
