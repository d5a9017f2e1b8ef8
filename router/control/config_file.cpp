// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_file.hpp"

#include "k8s_client/text_file.hpp"
#include "router/control/config_document.hpp"

namespace router::control {

k8s_client::Result<std::string> read_config_file(const std::filesystem::path& file) {
  return k8s_client::read_text_file(file, kMaxConfigBytes);
}

}  // namespace router::control
