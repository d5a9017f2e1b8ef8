// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/text_file.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

namespace k8s_client {

Result<std::string> read_text_file(const std::filesystem::path& file, std::size_t max_bytes) {
  errno = 0;
  std::ifstream stream{file, std::ios::binary};
  std::string text;
  std::array<char, std::size_t{64} * 1024> chunk{};
  while (stream && text.size() <= max_bytes) {
    stream.read(chunk.data(), chunk.size());
    text.append(chunk.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (text.size() > max_bytes) {
    return Failure{Errc::too_large, "is above " + std::to_string(max_bytes) + " bytes"};
  }
  if (!stream.eof()) {
    return Failure{Errc::bad_file, std::generic_category().message(errno)};
  }
  return text;
}

}  // namespace k8s_client
