// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace k8s_client {

/// What is wrong with one file, or with one object in it.
struct FileProblem {
  std::string file;          ///< name within the folder
  std::uint32_t line = 0;    ///< from 1; 0 if no place can be told
  std::uint32_t column = 0;  ///< from 1; 0 if no place can be told
  std::string reason;

  /// `cart.yaml:3:7: reason`.
  [[nodiscard]] std::string message() const;
  bool operator==(const FileProblem&) const = default;
};

}  // namespace k8s_client
