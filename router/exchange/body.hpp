// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/stream.hpp"
#include "router/limits/buffer_budget.hpp"
#include "router/worker/burst_bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace router {

/// Body bytes on their way through an exchange, in order, until the other side takes them.
///
/// Who takes has a position: how many bytes of the body it has had. A reply has one taker; a
/// request has one for each attempt under way, and each begins at 0.
///
/// What can be in it is bounded by the window that its sender was given
/// (SessionLimits::stream_window_bytes), since a byte is credited only when it has been taken. Of a
/// request, the taken bytes are kept as well, up to `kKeptBytes`, until a reply has begun: another
/// attempt can then begin with the first.
class Body {
 public:
  /// Beyond it a request is not repeatable, and never stalled for being
  /// kept.
  static constexpr std::size_t kKeptBytes = 64 * std::size_t{1024};

  /// What is in it counts in `share`, which must outlive it.
  explicit Body(BufferShare& share) noexcept : counted_{share} {}

  /// Keeps what is taken, for further takers. Called before the first byte.
  void keep_taken() noexcept { is_kept_ = true; }
  /// There will be no other taker than the one at `position`: frees what it has taken.
  void stop_keeping(std::uint64_t position) noexcept;

  void append(std::span<const std::byte> bytes);
  /// The last byte is in; `how` says what ends the message: `ended` or `trailers`.
  void finish(BodyState how) noexcept { end_ = how; }
  [[nodiscard]] bool is_finished() const noexcept { return end_ != BodyState::open; }

  /// Moves the bytes from `position` on into `into`, and `position` behind them. The state is
  /// `open` while bytes are left or to come. Where this goes beyond `kKeptBytes`, other takers must
  /// take no more.
  Pulled take(std::uint64_t& position, std::span<std::byte> into);
  /// Bytes taken for the first time by the last `take`: those are to be credited to their sender.
  [[nodiscard]] std::size_t newly_taken() const noexcept { return newly_taken_; }

  /// Whether another taker can begin with the first byte.
  [[nodiscard]] bool is_repeatable() const noexcept { return is_kept_; }

  /// Drops everything; returns how many bytes nobody had taken, which are to be credited.
  std::size_t discard() noexcept;
  /// Whether there is no byte, and none will come.
  [[nodiscard]] bool is_empty() const noexcept { return is_finished() && end_of_bytes() == 0; }
  /// Bytes that nobody has taken yet.
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(end_of_bytes() - furthest_);
  }

 private:
  [[nodiscard]] std::uint64_t end_of_bytes() const noexcept { return first_ + bytes_.size(); }
  void drop_before(std::uint64_t position) noexcept;

  BurstBytes bytes_;
  std::uint64_t first_ = 0;     ///< position of `bytes_`' first
  std::uint64_t furthest_ = 0;  ///< how far anybody has taken
  std::size_t newly_taken_ = 0;
  CountedBytes counted_;
  BodyState end_ = BodyState::open;
  bool is_kept_ = false;
};

/// Follows the framing of gRPC messages through a body, to know whether one is half sent.
/// Source: gRPC "PROTOCOL-HTTP2", Length-Prefixed-Message.
class GrpcFraming {
 public:
  void follow(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] bool is_between_messages() const noexcept {
    return prefix_bytes_ == 0 && message_bytes_left_ == 0;
  }

 private:
  static constexpr std::uint8_t kFlagBytes = 1;
  static constexpr std::uint8_t kPrefixBytes = kFlagBytes + 4;  ///< compressed flag and length

  void follow_cut_prefix(std::byte byte) noexcept;

  std::uint8_t prefix_bytes_ = 0;  ///< of a prefix that comes in parts
  std::uint32_t length_ = 0;
  std::uint64_t message_bytes_left_ = 0;
};

}  // namespace router
