// SPDX-License-Identifier: Apache-2.0
// The configuration document: any text is answered with a document or with errors that a person can
// find in it.
#include "router/control/config_document.hpp"
#include "tests/fuzz/input.hpp"

#include <algorithm>
#include <string>

using fuzz::require;

namespace router::control {
namespace {

void check_error(const ConfigError& error, std::string_view text) {
  const auto n_lines =
      std::count_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; });
  require(!error.message.empty(), "an error says what is wrong");
  require(error.text().find('\n') == std::string::npos, "an error is one line");
  require((error.line == 0) == (error.column == 0), "a place has a line and a column");
  // yaml-cpp may stand behind the last line when it misses something.
  require(error.line <= static_cast<std::uint32_t>(n_lines) + 2, "an error is within the text");
}

void check_policy(const Policy& policy) {
  require(policy.connect_timeout > Nanoseconds{0}, "a connect timeout is positive");
  require(policy.queue_timeout >= Nanoseconds{0}, "a queue timeout is not negative");
  require(policy.decay > Nanoseconds{0}, "a decay is positive");
  require(!policy.request_timeout || *policy.request_timeout > Nanoseconds{0},
          "a request timeout that is there is positive");
}

}  // namespace
}  // namespace router::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace router::control;
  const std::string_view text = fuzz::text_of(data, size);
  const ParsedConfig parsed = parse_config(text);
  require(parsed.errors.size() <= kMaxConfigErrors, "the errors are bounded");
  for (const ConfigError& error : parsed.errors) {
    check_error(error, text);
  }
  if (!parsed.is_valid()) {
    return 0;
  }
  const ConfigDocument& document = parsed.document;
  require(parse_config(text).document == document, "the same text is the same document");
  check_policy(document.policy_for("nobody.nowhere", 1));
  for (const auto& [service, overrides] : document.services) {
    check_policy(document.policy_for(service, 80));
  }
  for (const auto& [port, overrides] : document.service_ports) {
    require(port.second != 0, "a port is not 0");
    check_policy(document.policy_for(port.first, port.second));
  }
  return 0;
}
