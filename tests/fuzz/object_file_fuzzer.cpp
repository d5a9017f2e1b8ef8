// SPDX-License-Identifier: Apache-2.0
// One file of a folder of Kubernetes YAML: any text is answered with objects, or with problems that
// a person can find in it.
#include "k8s_client/object_file.hpp"
#include "tests/fuzz/input.hpp"

#include <algorithm>
#include <string>
#include <vector>

using fuzz::require;

namespace k8s_client {
namespace {

constexpr std::size_t kMaxReported = 20;  // as parse_object_file has it

void check_problem(const FileProblem& problem, std::string_view text) {
  const auto n_lines =
      std::count_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; });
  require(!problem.reason.empty(), "a problem says what is wrong");
  require(problem.message().starts_with("file.yaml:"), "a problem names its file");
  require((problem.line == 0) == (problem.column == 0), "a place has a line and a column");
  // yaml-cpp may stand behind the last line when it misses something.
  require(problem.line <= static_cast<std::uint32_t>(n_lines) + 2, "a problem is within the text");
}

template <class Object>
void check_objects(const ObjectFile& file) {
  for (const Placed<Object>& placed : file.of<Object>()) {
    require(!placed.object.meta.key.name.empty(), "an object has a name");
    require(!placed.object.meta.key.ns.empty(), "an object has a namespace");
    require(!placed.object.meta.resource_version.empty(), "an object has a version");
  }
}

/// Places are looked up by paths that come from the text as well.
void check_places(const std::string& text) {
  const auto documents = load_yaml(text);
  if (!documents) {
    return;
  }
  for (const YAML::Node& document : *documents) {
    for (const std::string_view path :
         {"", "metadata.name", "spec.ports[0].port", "items[1]", "["}) {
      (void)place_of(document, path);
    }
    (void)place_of(document, std::string_view{text}.substr(0, text.find('\n')));
  }
}

}  // namespace
}  // namespace k8s_client

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8s_client;
  const std::string text{fuzz::text_of(data, size)};
  std::vector<FileProblem> problems;
  const ObjectFile file = parse_object_file("file.yaml", text, problems);
  require(problems.size() <= kMaxReported, "the problems are bounded");
  for (const FileProblem& problem : problems) {
    check_problem(problem, text);
  }
  check_objects<Service>(file);
  check_objects<EndpointSlice>(file);
  check_objects<ConfigMap>(file);
  check_places(text);

  std::vector<FileProblem> problems_again;
  const ObjectFile again = parse_object_file("file.yaml", text, problems_again);
  require(problems_again == problems, "the same text has the same problems");
  require(again.of<Service>().size() == file.of<Service>().size(), "and the same objects");
  return 0;
}
