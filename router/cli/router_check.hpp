// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/check.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace router::cli {

/// Looks at the router whose admin endpoint is at `admin`, a URL. If none answers, that is a
/// failure only if it `must_be_there`.
[[nodiscard]] control::CheckGroup check_router(const std::string& admin, bool must_be_there);

/// What `/api/v1/watches` says of the router's view: one check for each resource.
[[nodiscard]] std::vector<control::Check> judge_watches(std::string_view body);

/// What `/api/v1/config` says of the configuration that the router has in force.
[[nodiscard]] control::Check judge_config(std::string_view body);

/// Which version the router tells in `/metrics`, beside our own.
[[nodiscard]] control::Check judge_build(std::string_view metrics, std::string_view own_version);

}  // namespace router::cli
