// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/body.hpp"

#include <algorithm>
#include <cstring>

#include <boost/endian/conversion.hpp>

namespace router {

void Body::append(std::span<const std::byte> bytes) {
  // What is kept lasts until a reply begins, and what is short may be all that comes.
  const bool is_burst = !is_kept_ && bytes.size() >= BurstBytes::kBurstBytes / 8;
  if (is_burst) {
    bytes_.append_burst(bytes);
  } else {
    bytes_.append(bytes);
  }
  counted_.set(bytes_.memory_bytes());
}

Pulled Body::take(std::uint64_t& position, std::span<std::byte> into) {
  const std::size_t n_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), end_of_bytes() - position));
  if (n_bytes > 0) {
    std::memcpy(into.data(), bytes_.bytes().data() + (position - first_), n_bytes);
  }
  position += n_bytes;
  newly_taken_ = position > furthest_ ? static_cast<std::size_t>(position - furthest_) : 0;
  furthest_ = std::max(furthest_, position);
  if (is_kept_ && position > kKeptBytes) {
    is_kept_ = false;
  }
  if (!is_kept_) {
    drop_before(position);
  }
  return {n_bytes, position == end_of_bytes() ? end_ : BodyState::open};
}

void Body::drop_before(std::uint64_t position) noexcept {
  // Moving the rest to the front costs as much as it frees, so only when at least half is free.
  const auto n_bytes = static_cast<std::size_t>(position - first_);
  if (n_bytes > bytes_.size() / 2) {
    bytes_.drop_front(n_bytes);
    counted_.set(bytes_.memory_bytes());
    first_ = position;
  }
}

void Body::stop_keeping(std::uint64_t position) noexcept {
  if (is_kept_) {
    is_kept_ = false;
    drop_before(position);
  }
}

std::size_t Body::discard() noexcept {
  const std::size_t untaken = size();
  first_ = end_of_bytes();
  furthest_ = first_;
  bytes_.clear();
  counted_.set(0);
  is_kept_ = false;
  return untaken;
}

void GrpcFraming::follow(std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty()) {
    if (message_bytes_left_ > 0) {
      const auto skipped = std::min<std::uint64_t>(message_bytes_left_, bytes.size());
      message_bytes_left_ -= skipped;
      bytes = bytes.subspan(static_cast<std::size_t>(skipped));
    } else if (prefix_bytes_ == 0 && bytes.size() >= kPrefixBytes) {
      message_bytes_left_ = boost::endian::load_big_u32(
          reinterpret_cast<const unsigned char*>(bytes.data()) + kFlagBytes);
      bytes = bytes.subspan(kPrefixBytes);
    } else {
      follow_cut_prefix(bytes.front());
      bytes = bytes.subspan(1);
    }
  }
}

void GrpcFraming::follow_cut_prefix(std::byte byte) noexcept {
  // The first byte is the compressed flag; shifting it out of the length costs nothing.
  length_ = (length_ << 8U) | std::to_integer<std::uint32_t>(byte);
  if (++prefix_bytes_ == kPrefixBytes) {
    message_bytes_left_ = length_;
    prefix_bytes_ = 0;
    length_ = 0;
  }
}

}  // namespace router
