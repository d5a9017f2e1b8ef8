// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/check.hpp"

#include <string>
#include <vector>

namespace router::cli {

[[nodiscard]] bool is_all_well(const std::vector<control::CheckGroup>& groups);

/// For a terminal: a heading for each group, below it a line for each check with ✓, × or –, below a
/// failed one what to do. The last line is the verdict.
[[nodiscard]] std::string format_checks(const std::vector<control::CheckGroup>& groups);

/// `{"ok": …, "groups": [{"title": …, "checks": [{"status": "passed|failed|skipped", "text": …,
/// "hint": …}]}]}`.
[[nodiscard]] std::string checks_as_json(const std::vector<control::CheckGroup>& groups);

}  // namespace router::cli
