// SPDX-License-Identifier: Apache-2.0
#include "router/control/yaml_tree.hpp"

#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <fmt/format.h>

namespace router::control {
namespace {

TextPlace place_of(const YAML::Mark& mark) {
  return {.line = static_cast<std::uint32_t>(mark.line + 1),
          .column = static_cast<std::uint32_t>(mark.column + 1)};
}

/// Leaves yaml-cpp's parser, which knows no other way out of a handler.
struct Refusal {
  YamlError error;
};

[[noreturn]] void refuse(TextPlace place, std::string message) {
  throw Refusal{{place, std::move(message)}};
}

struct Weight {
  std::size_t nodes = 0;
  std::size_t text_bytes = 0;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_{limits} {}

  [[nodiscard]] YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      refuse(place_of(mark), "a second document begins here; one is expected");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    leaf(YamlNode::Kind::null, mark, anchor, {}, true);
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    // A plain `~` or `null` comes as OnNull from the root only; elsewhere it is yaml-cpp's node
    // builder that tells.
    const bool is_plain = tag == "?";
    const bool is_null =
        is_plain && (value == "~" || value == "null" || value == "Null" || value == "NULL");
    leaf(is_null ? YamlNode::Kind::null : YamlNode::Kind::scalar, mark, anchor, value, is_plain);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      refuse(place_of(mark), "an alias within the value that it stands for");
    }
    charge(found->second.weight, mark);
    YamlNode copy = found->second.node;
    copy.place = place_of(mark);
    Open done{.node = std::move(copy), .weight = found->second.weight};
    close(std::move(done));
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& /*tag*/,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::sequence, mark, anchor);
  }
  void OnSequenceEnd() override { close_top(); }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& /*tag*/,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { close_top(); }

 private:
  /// A value whose end has not come yet.
  struct Open {
    YamlNode node;
    Weight weight;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<YamlMember> member =
        std::nullopt;  ///< of a map: the key that waits for its value
  };
  struct Anchored {
    YamlNode node;
    Weight weight;
  };

  void charge(const Weight& weight, const YAML::Mark& mark) {
    total_.nodes += weight.nodes;
    total_.text_bytes += weight.text_bytes;
    if (total_.nodes > limits_.nodes || total_.text_bytes > limits_.text_bytes) {
      refuse(place_of(mark), "the document is too large, its aliases counted in");
    }
  }

  void leaf(YamlNode::Kind kind,
            const YAML::Mark& mark,
            YAML::anchor_t anchor,
            const std::string& text,
            bool is_plain) {
    const Weight weight{.nodes = 1, .text_bytes = text.size()};
    charge(weight, mark);
    Open leaf{.node = {}, .weight = weight, .anchor = anchor};
    leaf.node.kind = kind;
    leaf.node.place = place_of(mark);
    leaf.node.text = text;
    leaf.node.is_plain = is_plain;
    close(std::move(leaf));
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (open_.size() >= limits_.depth) {
      refuse(place_of(mark), fmt::format("nested more than {} deep", limits_.depth));
    }
    const Weight weight{.nodes = 1};
    charge(weight, mark);
    Open& top = open_.emplace_back(Open{.node = {}, .weight = weight, .anchor = anchor});
    top.node.kind = kind;
    top.node.place = place_of(mark);
  }

  void close_top() {
    Open top = std::move(open_.back());
    open_.pop_back();
    close(std::move(top));
  }

  /// Puts a finished value where it belongs.
  void close(Open done) {
    if (done.anchor != YAML::NullAnchor) {
      anchors_[done.anchor] = {.node = done.node, .weight = done.weight};
    }
    if (open_.empty()) {
      root_ = std::move(done.node);
      return;
    }
    Open& parent = open_.back();
    parent.weight.nodes += done.weight.nodes;
    parent.weight.text_bytes += done.weight.text_bytes;
    if (parent.node.kind == YamlNode::Kind::sequence) {
      parent.node.items.push_back(std::move(done.node));
    } else if (parent.member) {
      parent.member->value = std::move(done.node);
      parent.node.members.push_back(std::move(*parent.member));
      parent.member.reset();
    } else if (done.node.kind == YamlNode::Kind::scalar) {
      parent.member.emplace(
          YamlMember{.key = std::move(done.node.text), .place = done.node.place, .value = {}});
    } else {
      refuse(done.node.place, "the name of a field must be text");
    }
  }

  YamlLimits limits_;
  Weight total_;
  int documents_ = 0;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  YamlNode root_;
};

}  // namespace

boost::system::result<YamlNode, YamlError> parse_yaml(std::string_view text,
                                                      const YamlLimits& limits) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    // yaml-cpp would convert it, with places and limits that are not those of the text.
    return YamlError{{}, "the text is UTF-16; UTF-8 is expected"};
  }
  if (text.find('\0') != std::string_view::npos) {
    return YamlError{{}, "the text holds a NUL byte"};  // yaml-cpp would stop there in silence
  }
  try {
    std::istringstream stream{std::string{text}};
    YAML::Parser parser{stream};
    TreeBuilder builder{limits};
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take_root();
  } catch (const Refusal& refusal) {
    return refusal.error;
  } catch (const YAML::Exception& failure) {
    return YamlError{failure.mark.is_null() ? TextPlace{} : place_of(failure.mark), failure.msg};
  }
}

}  // namespace router::control
