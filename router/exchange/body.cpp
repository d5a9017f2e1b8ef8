// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/body.hpp"

#include <algorithm>
#include <cstring>

namespace router {

void Body::append(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

Pulled Body::take(std::span<std::byte> into) {
  const std::size_t n_bytes = std::min(into.size(), size());
  if (n_bytes > 0) {
    std::memcpy(into.data(), bytes_.data() + cursor_, n_bytes);
  }
  cursor_ += n_bytes;
  newly_taken_ = cursor_ > furthest_ ? cursor_ - furthest_ : 0;
  furthest_ = std::max(furthest_, cursor_);
  if (is_kept_ && cursor_ > kKeptBytes) {
    is_kept_ = false;
  }
  if (!is_kept_) {
    drop_taken();
  }
  return {n_bytes, size() == 0 ? end_ : BodyState::open};
}

void Body::drop_taken() {
  // Moving the rest to the front costs as much as it frees, so only when at least half is free.
  if (cursor_ == bytes_.size()) {
    bytes_.clear();
  } else if (cursor_ > bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(cursor_));
  } else {
    return;
  }
  furthest_ -= cursor_;  // beyond the cursor if it was set back
  cursor_ = 0;
}

void Body::stop_keeping() noexcept {
  if (is_kept_) {
    is_kept_ = false;
    drop_taken();
  }
}

std::size_t Body::discard() noexcept {
  const std::size_t untaken = bytes_.size() - furthest_;
  bytes_.clear();
  cursor_ = 0;
  furthest_ = 0;
  is_kept_ = false;
  return untaken;
}

void GrpcFraming::follow(std::span<const std::byte> bytes) noexcept {
  std::size_t i = 0;
  while (i < bytes.size()) {
    if (message_bytes_left_ > 0) {
      const auto skipped = std::min<std::uint64_t>(message_bytes_left_, bytes.size() - i);
      message_bytes_left_ -= skipped;
      i += static_cast<std::size_t>(skipped);
      continue;
    }
    // The first byte of the prefix is the compressed flag; shifting it out of the length costs
    // nothing.
    length_ = (length_ << 8U) | std::to_integer<std::uint32_t>(bytes[i]);
    ++i;
    if (++prefix_bytes_ == kPrefixBytes) {
      message_bytes_left_ = length_;
      prefix_bytes_ = 0;
      length_ = 0;
    }
  }
}

}  // namespace router
