// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace router {

/// Bytes that come in bursts and are taken from the front. One that is empty keeps next to no
/// memory: streams and connections may be idle for hours after a burst, thousands of them.
class BurstBytes {
 public:
  /// What an empty one may keep, so that small messages need no allocation each.
  static constexpr std::size_t kKeptBytes = 4 * std::size_t{1024};
  /// What one read brings, or one write takes.
  static constexpr std::size_t kBurstBytes = 64 * std::size_t{1024};

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  /// What it takes of memory; of one that holds little, what it holds.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return bytes_.capacity() > kKeptBytes ? bytes_.capacity() : bytes_.size();
  }

  void append(std::span<const std::byte> more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
  }
  /// The same, if it is taken soon: has room for the rest of a burst at once, instead of growing to
  /// it step by step each time.
  void append_burst(std::span<const std::byte> more) {
    const std::size_t n_bytes = bytes_.size() + more.size();
    if (n_bytes > kKeptBytes && bytes_.capacity() < kBurstBytes) {
      bytes_.reserve(std::max(n_bytes, kBurstBytes));
    }
    append(more);
  }
  /// Moves the rest to the front.
  void drop_front(std::size_t n_bytes) noexcept {
    if (n_bytes == bytes_.size()) {
      clear();
    } else {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(n_bytes));
    }
  }
  void clear() noexcept {
    if (bytes_.capacity() > kKeptBytes) {
      std::vector<std::byte>{}.swap(bytes_);
    } else {
      bytes_.clear();
    }
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace router
