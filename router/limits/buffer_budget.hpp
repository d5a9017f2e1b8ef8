// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/limits/shared_sum.hpp"

#include <cstddef>
#include <cstdint>

namespace router {

/// How near the process is to the end of its memory for buffers.
enum class Pressure : std::uint8_t {
  none,
  high,  ///< a quarter of it is in use: no stream's window grows any more
  full,  ///< half of it is in use: a stream may bring `BufferBudget::kNarrowWindow` at a time
};

/// The bytes that wait in this process for the other side to take them: bodies, and output for
/// sockets that are full; the heads of requests under way, with what has come of HTTP/1.1 and is
/// none yet; and heads of replies, informational ones too, and trailers on their way. Any thread.
///
/// At half of the limit nothing is read ahead any more; but frames are still read, and each stream
/// still moves. The other half is for what peers send before they hear of it. Not reading the
/// connections would be no answer: the frames by which peers open their windows come on them too,
/// so that what waits would wait for ever, and those who take nothing would stop those who do.
struct BufferBudget {
  /// Exceeded by what more than half of it is on its way when the windows
  /// become narrow, and by the narrow window of each stream.
  static constexpr std::int64_t kMaxBytes = 64 << 20;
  static constexpr std::int64_t kNarrowAtBytes = kMaxBytes / 2;
  static constexpr std::int64_t kGrowUntilBytes = kMaxBytes / 4;
  /// By how much the windows of all streams together may have grown: peers may send as much at any
  /// moment, also when their streams are taken no more, so it is part of what may be on its way.
  static constexpr std::int64_t kMaxGrownBytes = kMaxBytes / 4;
  /// Of a stream, under pressure: small messages still come in one piece.
  static constexpr std::uint32_t kNarrowWindow = 4 << 10;

  /// What one side of an HTTP/1.1 connection may have in the other's way before it is read no more;
  /// `window_bytes` without pressure.
  [[nodiscard]] static constexpr std::size_t read_ahead(Pressure pressure,
                                                        std::size_t window_bytes) noexcept {
    return pressure == Pressure::full ? kNarrowWindow : window_bytes;
  }

  alignas(64) SharedSum bytes;
  SharedSum grown;
};

/// One core's part of the budget, counted without a thought of the others, and told to the budget
/// once per loop turn: so the limit is overshot by a turn's worth. Its core's thread.
class BufferShare {
 public:
  BufferShare() = default;
  /// A part of a share: what counts in it counts in `whole`, which outlives it, as well.
  explicit BufferShare(BufferShare& whole) noexcept : whole_{&whole} {}

  /// Without a budget it counts for itself.
  void join(BufferBudget& budget) noexcept { budget_ = &budget; }

  void add(std::size_t n_bytes) noexcept { change(static_cast<std::int64_t>(n_bytes)); }
  void subtract(std::size_t n_bytes) noexcept { change(-static_cast<std::int64_t>(n_bytes)); }
  [[nodiscard]] std::int64_t n_bytes() const noexcept { return n_bytes_; }

  /// A stream's window grows by so much; false, and nothing is changed, if they have grown by too
  /// much already. To be given back by `shrink`.
  [[nodiscard]] bool grow(std::int64_t n_bytes) noexcept;
  void shrink(std::int64_t n_bytes) noexcept;

  /// Of the whole process, as of the last `post`.
  [[nodiscard]] Pressure pressure() const noexcept { return pressure_; }
  /// Whether all of the process's is in use, as far as the other cores have told.
  [[nodiscard]] bool is_used_up() const noexcept;
  /// Called at the end of a turn. True if `Pressure::full` has been reached in it.
  bool post() noexcept;

 private:
  void change(std::int64_t n_bytes) noexcept {
    n_bytes_ += n_bytes;
    if (whole_ != nullptr) {
      whole_->n_bytes_ += n_bytes;
    }
  }

  BufferShare* whole_ = nullptr;
  BufferBudget* budget_ = nullptr;
  std::int64_t n_bytes_ = 0;
  std::int64_t n_posted_ = 0;
  Pressure pressure_ = Pressure::none;
};

/// How many bytes one buffer holds, counted in its core's share for as long as it lives.
class CountedBytes {
 public:
  explicit CountedBytes(BufferShare& share) noexcept : share_{share} {}
  CountedBytes(const CountedBytes&) = delete;
  CountedBytes& operator=(const CountedBytes&) = delete;
  ~CountedBytes() { share_.subtract(n_bytes_); }

  void set(std::size_t n_bytes) noexcept {
    share_.subtract(n_bytes_);
    share_.add(n_bytes);
    n_bytes_ = n_bytes;
  }
  void add(std::size_t n_bytes) noexcept {
    share_.add(n_bytes);
    n_bytes_ += n_bytes;
  }

 private:
  BufferShare& share_;
  std::size_t n_bytes_ = 0;
};

}  // namespace router
