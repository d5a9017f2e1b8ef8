// SPDX-License-Identifier: Apache-2.0
#include "router/h2/frame_heads.hpp"

#include <algorithm>

namespace router::h2 {

std::size_t FrameHeads::skip(std::size_t n_bytes) noexcept {
  const std::size_t n_skipped = std::min(left_, n_bytes);
  left_ -= n_skipped;
  if (left_ == 0 && is_last_) {
    is_open_ = false;
  }
  return n_skipped;
}

std::size_t FrameHeads::collect(std::span<const std::byte> bytes) noexcept {
  const std::size_t n_copied = std::min(kBytes - n_collected_, bytes.size());
  std::copy_n(bytes.begin(), n_copied, head_.begin() + static_cast<std::ptrdiff_t>(n_collected_));
  n_collected_ += n_copied;
  return n_copied;
}

nghttp2_frame_hd FrameHeads::begin() noexcept {
  const auto byte = [this](std::size_t i) { return std::to_integer<std::uint32_t>(head_[i]); };
  constexpr std::uint32_t kStreamIdMask = 0x7fff'ffff;
  nghttp2_frame_hd head{};
  head.length = byte(0) << 16U | byte(1) << 8U | byte(2);
  head.type = std::to_integer<std::uint8_t>(head_[3]);
  head.flags = std::to_integer<std::uint8_t>(head_[4]);
  head.stream_id = static_cast<std::int32_t>(
      (byte(5) << 24U | byte(6) << 16U | byte(7) << 8U | byte(8)) & kStreamIdMask);
  if (head.type == NGHTTP2_HEADERS) {
    is_open_ = true;
    ++n_blocks_;
  }
  is_last_ = (head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION) &&
             (head.flags & NGHTTP2_FLAG_END_HEADERS) != 0;
  left_ = head.length;
  skip(0);  // an empty frame ends at once
  return head;
}

}  // namespace router::h2
