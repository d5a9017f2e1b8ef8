// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/burst_bytes.hpp"

#include <cstddef>
#include <span>

namespace router {

/// Bytes on their way to a socket. Bounded: producers stop when `room` is 0 and are asked again.
class OutputBuffer {
 public:
  /// One write's worth: a few full HTTP/2 frames. What is beyond it stays with its producer, under
  /// flow control.
  static constexpr std::size_t kBytes = 64 * std::size_t{1024};

  [[nodiscard]] std::size_t room() const noexcept {
    return bytes_.size() < kBytes ? kBytes - bytes_.size() : 0;
  }
  [[nodiscard]] bool empty() const noexcept { return written_ == bytes_.size(); }
  /// May go beyond `room`: a frame is never split by its producer.
  void append(std::span<const std::byte> bytes) { bytes_.append_burst(bytes); }
  [[nodiscard]] std::span<const std::byte> pending() const noexcept {
    return bytes_.bytes().subspan(written_);
  }
  /// What it takes of memory.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return bytes_.memory_bytes(); }
  void mark_written(std::size_t n_bytes) noexcept {
    written_ += n_bytes;
    if (empty()) {
      bytes_.clear();
      written_ = 0;
    }
  }

 private:
  BurstBytes bytes_;
  std::size_t written_ = 0;
};

}  // namespace router
