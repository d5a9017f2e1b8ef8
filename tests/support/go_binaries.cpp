// SPDX-License-Identifier: Apache-2.0
#include "tests/support/go_binaries.hpp"

#include "tests/support/router_process.hpp"

namespace test {

std::string folder_of_go_binaries() {
  constexpr std::chrono::minutes kBuildPatience{40};
  ChildProcess build{{"/bin/bash", TEST_BINARIES_SCRIPT}, {}};
  if (build.wait_exit(kBuildPatience) != 0) {
    throw Failure{"the test binaries do not build:\n" + build.stderr_text()};
  }
  return build.stdout_lines().back();
}

}  // namespace test
