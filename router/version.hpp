// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace router {

/// Set by the build: the project's version.
inline constexpr const char* kVersion = NODEWAY_VERSION;

}  // namespace router
