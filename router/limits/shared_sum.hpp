// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace router {

/// A figure of the process, to which each core adds what it has more or less than before, once per
/// loop turn. Any thread; nobody waits, and what others have added is seen soon.
class SharedSum {
 public:
  [[nodiscard]] std::int64_t read() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }
  /// Adds `n`, which may be negative, and tells what it is then. Without a change nothing is
  /// written, so that the cores do not take the line of memory from each other.
  std::int64_t change(std::int64_t n) noexcept {
    return n == 0 ? read() : value_.fetch_add(n, std::memory_order_relaxed) + n;
  }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace router
