// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace test {

/// The folder of the test binaries that come from Go modules. Builds those that are missing, or
/// waits for who does: the first time may take half an hour.
[[nodiscard]] std::string folder_of_go_binaries();

}  // namespace test
