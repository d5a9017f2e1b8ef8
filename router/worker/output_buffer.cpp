// SPDX-License-Identifier: Apache-2.0
#include "router/worker/output_buffer.hpp"

namespace router {

void OutputBuffer::mark_written(std::size_t n_bytes) noexcept {
  written_ += n_bytes;
  if (empty()) {
    bytes_.clear();
    written_ = 0;
    if (bytes_.capacity() > kBytes) {
      bytes_.shrink_to_fit();
    }
  }
}

}  // namespace router
