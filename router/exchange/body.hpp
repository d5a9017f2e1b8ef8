// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace router {

/// Body bytes on their way through an exchange, in order, until the other side takes them.
///
/// What can be in it is bounded by the window that its sender was given
/// (SessionLimits::stream_window_bytes), since a byte is credited only when it has been taken. Of a
/// request, the taken bytes are kept as well, up to `kKeptBytes`, until a reply has begun: an
/// attempt that reached no application can then be repeated.
class Body {
 public:
  /// product.md, "retry body": beyond it a request is not repeatable, and never stalled for being
  /// kept.
  static constexpr std::size_t kKeptBytes = 64 * std::size_t{1024};

  /// Keeps what is taken, for `rewind`. Called before the first byte.
  void keep_taken() noexcept { is_kept_ = true; }
  /// Nothing will be repeated any more: frees what was taken.
  void stop_keeping() noexcept;

  void append(std::span<const std::byte> bytes);
  /// The last byte is in; `how` says what ends the message: `ended` or `trailers`.
  void finish(BodyState how) noexcept { end_ = how; }
  [[nodiscard]] bool is_finished() const noexcept { return end_ != BodyState::open; }

  /// Moves bytes into `into`. The state is `open` while bytes are left or to come.
  Pulled take(std::span<std::byte> into);
  /// Bytes taken for the first time by the last `take`: those are to be credited to their sender.
  [[nodiscard]] std::size_t newly_taken() const noexcept { return newly_taken_; }

  /// Whether `rewind` can start over from the first byte.
  [[nodiscard]] bool is_repeatable() const noexcept { return is_kept_; }
  void rewind() noexcept { cursor_ = 0; }

  /// Drops everything; returns how many bytes had not been taken, which are to be credited.
  std::size_t discard() noexcept;
  /// Bytes not taken yet.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - cursor_; }

 private:
  void drop_taken();

  std::vector<std::byte> bytes_;  ///< from the first kept byte on
  std::size_t cursor_ = 0;        ///< of the next byte to take, in `bytes_`
  std::size_t furthest_ = 0;      ///< how far the cursor has ever been
  std::size_t newly_taken_ = 0;
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
  static constexpr std::uint8_t kPrefixBytes = 5;  ///< compressed flag and length
  std::uint8_t prefix_bytes_ = 0;                  ///< of the prefix being read
  std::uint32_t length_ = 0;
  std::uint64_t message_bytes_left_ = 0;
};

}  // namespace router
