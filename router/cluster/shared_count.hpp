// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace router {

/// Requests of several workers: those in flight, or those that wait. Any thread. Written by each
/// request, so that nothing else shares its line of the cache.
class alignas(64) SharedCount {
 public:
  [[nodiscard]] std::uint32_t value() const noexcept { return value_.load(); }
  void enter(std::uint32_t n_requests) noexcept { value_.fetch_add(n_requests); }
  /// Counts one more, if they are fewer than `limit`. Exact.
  [[nodiscard]] bool try_enter(std::uint32_t limit) noexcept {
    std::uint32_t n_requests = value_.load();
    while (n_requests < limit) {
      if (value_.compare_exchange_weak(n_requests, n_requests + 1)) {
        return true;
      }
    }
    return false;
  }
  void leave(std::uint32_t n_requests) noexcept { value_.fetch_sub(n_requests); }

 private:
  std::atomic<std::uint32_t> value_{0};
};

}  // namespace router
