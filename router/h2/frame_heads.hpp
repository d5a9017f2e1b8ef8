// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <nghttp2/nghttp2.h>

namespace router::h2 {

/// Finds the heads of frames in the bytes of a connection, and judges nothing.
///
/// nghttp2 tells nothing of the frames that it ignores (on closed streams, of unknown types), and
/// of a field block only when it is whole. Source: RFC 9113 sections 3.4, 4.1, 6.2, 6.10.
class FrameHeads {
 public:
  /// `preface_bytes` come before the first frame; 0 if there is no preface.
  explicit FrameHeads(std::size_t preface_bytes) noexcept
      : left_{preface_bytes}, is_open_{preface_bytes > 0}, is_last_{preface_bytes > 0} {}

  /// Bytes as they come, cut anywhere. Calls `on_head(const nghttp2_frame_hd&)` for each head that
  /// they complete, until it says false; that is the answer then.
  template <class OnHead>
  [[nodiscard]] bool feed(std::span<const std::byte> bytes, OnHead on_head) {
    while (!bytes.empty()) {
      bytes = bytes.subspan(left_ > 0 ? skip(bytes.size()) : collect(bytes));
      if (n_collected_ == kBytes) {
        n_collected_ = 0;
        if (!on_head(begin())) {
          return false;
        }
      }
    }
    return true;
  }

  /// Which block has begun and is not whole: the preface is 0, then each HEADERS with its
  /// CONTINUATIONs is one more. Nothing if none is.
  [[nodiscard]] std::optional<std::uint64_t> open_block() const noexcept {
    return is_open_ ? std::optional{n_blocks_} : std::nullopt;
  }

 private:
  static constexpr std::size_t kBytes = 9;

  std::size_t skip(std::size_t n_bytes) noexcept;
  std::size_t collect(std::span<const std::byte> bytes) noexcept;
  nghttp2_frame_hd begin() noexcept;

  std::size_t left_;  ///< of the frame under way, or of the preface
  std::array<std::byte, kBytes> head_{};
  std::size_t n_collected_ = 0;
  std::uint64_t n_blocks_ = 0;
  bool is_open_;
  bool is_last_;  ///< the frame under way is its block's last
};

}  // namespace router::h2
