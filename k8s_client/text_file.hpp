// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <cstddef>
#include <filesystem>
#include <string>

namespace k8s_client {

/// The content of a file. `bad_file`: why it cannot be read, without its name; `too_large`: it is
/// above the limit.
[[nodiscard]] Result<std::string> read_text_file(const std::filesystem::path& file,
                                                 std::size_t max_bytes);

}  // namespace k8s_client
