// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <new>

namespace router::h2 {

/// nghttp2 fails on our side only when memory is short or we broke its rules: neither is survivable
/// (docs/errors.md).
inline void require(int result) {
  if (result != 0) {
    throw std::bad_alloc{};
  }
}

}  // namespace router::h2
