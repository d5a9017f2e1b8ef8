// SPDX-License-Identifier: Apache-2.0
// What an API server sends: lists and watches, cut anywhere, and the objects in them.
#include "k8s_client/list_watch.hpp"
#include "k8s_client/objects/config_map.hpp"
#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/service.hpp"
#include "k8s_client/splitters.hpp"
#include "tests/fuzz/input.hpp"

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using fuzz::require;
using nlohmann::json;

namespace k8s_client {
namespace {

/// Small enough for the inputs to exceed it.
constexpr std::size_t kSmallLimit = 64;

struct Split {
  std::vector<std::string> pieces;
  std::string envelope;
  bool is_whole = false;
  bool is_too_large = false;

  bool operator==(const Split&) const = default;
};

Split split_lines(std::string_view text, fuzz::Cutting cutting, std::size_t limit) {
  Split split;
  LineSplitter splitter{limit};
  fuzz::for_each_piece(text, cutting, [&](std::string_view piece) {
    splitter.feed(piece);
    for (;;) {
      auto line = splitter.next();
      if (!line) {
        split.is_too_large = true;
        return false;
      }
      if (!*line) {
        return true;
      }
      require(!(*line)->empty() && (*line)->size() <= limit, "a line is within its limit");
      split.pieces.push_back(**std::move(line));
    }
  });
  return split;
}

Split split_list(std::string_view text, fuzz::Cutting cutting, std::size_t limit) {
  Split split;
  ListSplitter splitter{limit};
  const auto keep = [&](std::string_view item) { split.pieces.emplace_back(item); };
  fuzz::for_each_piece(text, cutting, [&](std::string_view piece) {
    split.is_too_large = splitter.feed(piece, keep).has_error();
    return !split.is_too_large;
  });
  split.envelope = splitter.envelope();
  split.is_whole = splitter.is_whole();
  return split;
}

void check_failure(const Failure& failure) {
  require(failure.code.failed() && !failure.message().empty(), "a failure says what is wrong");
}

template <class Object>
void check_object(const json& object) {
  const auto first = Object::from_json(object);
  const auto second = Object::from_json(object);
  if (!first) {
    check_failure(first.error());
    return;
  }
  require(second.has_value() && *first == *second, "the same JSON is the same object");
  require(!first->meta.key.name.empty(), "an object has a name");
}

void check_objects(const json& object) {
  check_object<Service>(object);
  check_object<EndpointSlice>(object);
  check_object<ConfigMap>(object);
}

/// Whether a JSON parser and the splitter, which does not unescape, must agree on what the items
/// are.
bool is_plain_list(std::string_view text, const json& list) {
  if (!list.is_object() || text.find('\\') != std::string_view::npos) {
    return false;
  }
  std::multiset<std::string> keys;
  [[maybe_unused]] const json parsed =
      json::parse(text, [&keys](int depth, json::parse_event_t event, json& value) {
        if (event == json::parse_event_t::key && depth == 1) {
          keys.insert(value.get<std::string>());
        }
        return true;
      });
  const auto items = list.find("items");
  return keys.count("items") == 1 && items->is_array();
}

/// The items that are objects or lists; the splitter leaves out scalars, which are no objects of
/// Kubernetes.
void check_against_parser(std::string_view text, json list, const Split& split) {
  std::vector<json> expected;
  for (const json& item : list["items"]) {
    if (item.is_structured()) {
      expected.push_back(item);
    }
  }
  require(split.is_whole, "a list that is valid JSON is whole");
  require(split.pieces.size() == expected.size(), "no item is lost");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    require(json::parse(split.pieces[i], nullptr, false) == expected[i], "an item is as it came");
  }
  list["items"] = json::array();
  require(json::parse(split.envelope, nullptr, false) == list, "the envelope is all the rest");
  require(!text.empty(), "it came from somewhere");
}

void check_lines(std::string_view text) {
  for (const std::size_t limit : {kSmallLimit, kMaxObjectBytes}) {
    const Split whole = split_lines(text, fuzz::Cutting::none, limit);
    for (const fuzz::Cutting cutting : fuzz::kCuttings) {
      require(split_lines(text, cutting, limit) == whole, "lines do not depend on the cuts");
    }
    for (const std::string& line : whole.pieces) {
      const auto event = decode_event(line);
      if (!event) {
        check_failure(event.error());
      } else if (event->type != WatchEvent::Type::bookmark) {
        check_objects(event->object);
      }
    }
  }
}

void check_list(std::string_view text) {
  for (const std::size_t limit : {kSmallLimit, kMaxObjectBytes}) {
    const Split whole = split_list(text, fuzz::Cutting::none, limit);
    for (const fuzz::Cutting cutting : fuzz::kCuttings) {
      require(split_list(text, cutting, limit) == whole, "a list does not depend on the cuts");
    }
    for (const std::string& item : whole.pieces) {
      check_objects(json::parse(item, nullptr, false));
    }
    if (const auto page = decode_list_envelope(whole.envelope); !page) {
      check_failure(page.error());
    }
  }
}

}  // namespace
}  // namespace k8s_client

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8s_client;
  const std::string_view text = fuzz::text_of(data, size);
  check_lines(text);
  check_list(text);
  check_failure(failure_of_status(503, text, text));

  json whole = json::parse(text, nullptr, false);
  check_objects(whole);
  if (is_plain_list(text, whole)) {
    const Split split = split_list(text, fuzz::Cutting::random, kMaxObjectBytes);
    check_against_parser(text, std::move(whole), split);
  }
  return 0;
}
