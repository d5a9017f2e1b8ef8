// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "router/control/config_document.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace router::control {

/// How the configuration is doing.
struct ConfigStatus {
  std::string origin;    ///< `ConfigMap nodeway-system/nodeway` or `file /etc/nodeway.yaml`
  bool present = false;  ///< there is one, or its last good content is in force; else the defaults
  bool valid = false;    ///< the newest one seen is in force, or there is none; not before a look
  std::string error;  ///< what is wrong with the newest one: first error with line and column; ""
                      ///< if nothing is, or before the first look
  std::size_t error_count = 0;
  std::uint64_t applied = 0;   ///< documents put in force, the defaults not counted
  std::uint64_t rejected = 0;  ///< documents found wrong
  std::optional<k8s_client::Clock::UtcTime> last_applied_at;
};

/// Which configuration is in force, by what was seen of it so far:
///
///     seen      none so far in force       one in force
///     good      it                         it
///     wrong     none: not ready            the one before
///     absent    the built-in defaults      the one before
class ConfigState {
 public:
  using UtcTime = k8s_client::Clock::UtcTime;

  enum class Outcome : std::uint8_t {
    unchanged,  ///< nothing that was not known
    applied,    ///< another document is in force, maybe the defaults
    rejected,   ///< the one seen is wrong; see `errors`
    gone,       ///< there is none any more, and the one before stays in force
  };

  explicit ConfigState(std::string origin);

  [[nodiscard]] Outcome see(std::string_view text, UtcTime now);
  [[nodiscard]] Outcome see_absent();
  /// There is one, but it cannot be read as text at all.
  [[nodiscard]] Outcome see_unreadable(std::string why);

  /// What is in force; null if nothing can be.
  [[nodiscard]] const ConfigDocument* document() const noexcept {
    return document_ ? &*document_ : nullptr;
  }
  [[nodiscard]] const ConfigStatus& status() const noexcept { return status_; }
  /// Of the newest one seen.
  [[nodiscard]] const std::vector<ConfigError>& errors() const noexcept { return errors_; }

 private:
  struct Seen {
    enum class Kind : std::uint8_t { nothing, absent, unreadable, text };
    Kind kind = Kind::nothing;
    std::string text;

    bool operator==(const Seen&) const = default;
  };

  [[nodiscard]] bool is_news(Seen seen);
  [[nodiscard]] Outcome reject(std::vector<ConfigError> errors);
  void clear_errors();

  std::string origin_;
  Seen seen_;
  std::optional<ConfigDocument> document_;
  std::vector<ConfigError> errors_;
  ConfigStatus status_;
};

}  // namespace router::control
