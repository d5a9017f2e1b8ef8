// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace test {

/// How often `operator new` was called in this program, by any thread.
[[nodiscard]] std::size_t allocations() noexcept;

}  // namespace test
