// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_state.hpp"

#include <utility>

namespace router::control {

ConfigState::ConfigState(std::string origin) : origin_{std::move(origin)} {
  status_.origin = origin_;
}

ConfigState::Outcome ConfigState::see(std::string_view text, UtcTime now) {
  if (!is_news({.kind = Seen::Kind::text, .text = std::string{text}})) {
    return Outcome::unchanged;
  }
  status_.present = true;
  status_.origin = origin_;
  ParsedConfig parsed = parse_config(text);
  if (!parsed.is_valid()) {
    return reject(std::move(parsed.errors));
  }
  clear_errors();
  document_ = std::move(parsed.document);
  ++status_.applied;
  status_.last_applied_at = now;
  return Outcome::applied;
}

ConfigState::Outcome ConfigState::see_absent() {
  if (!is_news({.kind = Seen::Kind::absent, .text = {}})) {
    return Outcome::unchanged;
  }
  clear_errors();
  if (status_.applied > 0) {
    // It may have been deleted by mistake, or to be made anew; falling back to the defaults would
    // turn every Service's traffic upside down.
    status_.origin = origin_ + " (gone; its last good content)";
    return Outcome::gone;
  }
  status_.present = false;
  if (document_) {
    return Outcome::gone;  // a wrong one is, and the defaults were in force all the time
  }
  document_.emplace();
  return Outcome::applied;
}

ConfigState::Outcome ConfigState::see_unreadable(std::string why) {
  if (!is_news({.kind = Seen::Kind::unreadable, .text = why})) {
    return Outcome::unchanged;
  }
  status_.present = true;
  status_.origin = origin_;
  return reject({{.line = 0, .column = 0, .message = std::move(why), .path = ""}});
}

bool ConfigState::is_news(Seen seen) {
  const bool is_known = seen == seen_;
  seen_ = std::move(seen);
  return !is_known;
}

ConfigState::Outcome ConfigState::reject(std::vector<ConfigError> errors) {
  errors_ = std::move(errors);
  status_.valid = false;
  status_.error = errors_.front().text();
  status_.error_count = errors_.size();
  ++status_.rejected;
  return Outcome::rejected;
}

void ConfigState::clear_errors() {
  errors_.clear();
  status_.valid = true;
  status_.error.clear();
  status_.error_count = 0;
}

}  // namespace router::control
