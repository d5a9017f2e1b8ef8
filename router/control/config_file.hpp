// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <filesystem>
#include <string>

namespace router::control {

/// The text of a configuration file, of `kMaxConfigBytes` at most. The failure says why it cannot
/// be read, without its name.
[[nodiscard]] k8s_client::Result<std::string> read_config_file(const std::filesystem::path& file);

}  // namespace router::control
