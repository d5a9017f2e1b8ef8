// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace router {

/// Why `nodeway run` cannot start; thrown before it serves, and the end of `App::run`.
struct StartFailure {
  int exit_code;     ///< 1: the machine does not let it; 2: it was told something wrong
  std::string line;  ///< for people
};

}  // namespace router
