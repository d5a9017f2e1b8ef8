// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/h2/window_estimate.hpp"
#include "router/limits/buffer_budget.hpp"
#include "router/telemetry/metrics.hpp"
#include "router/worker/timer_wheel.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include <nghttp2/nghttp2.h>

namespace router::h2 {

/// The windows that the peer of one connection has for its streams: what it may send on each before
/// that has been taken.
///
/// A window grows when half of it has come and been taken, to what `WindowEstimate` says of the
/// connection, as far as the budget has room; while memory is short it shrinks the same way. What
/// the peer may send already is not taken back, but not given again either. Source: RFC 9113
/// section 5.2.
class StreamWindows {
 public:
  /// By how much those of one connection may have grown: a part of what all may have, so that
  /// streams which are not read leave the others theirs.
  static constexpr std::int64_t kMaxGrownBytes = BufferBudget::kMaxGrownBytes / 4;

  /// Each begins at `least_bytes`, as the first SETTINGS say, and never grows beyond `most_bytes`.
  /// `buffers`, which must outlive this, says whether it may.
  StreamWindows(std::uint32_t least_bytes, std::uint32_t most_bytes, BufferShare& buffers) noexcept
      : least_bytes_{least_bytes}, estimate_{least_bytes, most_bytes}, buffers_{buffers} {}
  StreamWindows(const StreamWindows&) = delete;
  StreamWindows& operator=(const StreamWindows&) = delete;
  ~StreamWindows() { buffers_.shrink(grown_bytes_); }

  /// How large they may be from now on: with no pressure, as large as they need; with high, no
  /// larger than at their beginning; with full, narrow.
  void set_pressure(nghttp2_session& session, Pressure pressure);
  void on_settings_submitted() noexcept { ++n_unacked_settings_; }
  void on_settings_acked() noexcept { --n_unacked_settings_; }

  /// DATA has come, on any stream. It may ask for a PING.
  void on_data(nghttp2_session& session, std::size_t n_bytes, TimePoint now);
  /// False if that PING was none of these.
  [[nodiscard]] bool on_ping_ack(const nghttp2_ping& ping, TimePoint now) noexcept;

  /// Returns `n_bytes` of the stream's window to the peer, and makes it larger if that is due. The
  /// limit that this is beyond, if any: told once each time.
  std::optional<telemetry::Limit> consume(nghttp2_session& session,
                                          std::int32_t stream_id,
                                          std::size_t n_bytes);
  /// The stream has ended, or no more can come on it.
  void give_back(std::int32_t stream_id) noexcept;

 private:
  void announce(nghttp2_session& session, std::uint32_t bytes);
  [[nodiscard]] std::optional<telemetry::Limit> fit(nghttp2_session& session,
                                                    std::int32_t stream_id);
  /// Draws from the budget what the stream's window grows by, or gives back what it shrinks by.
  [[nodiscard]] bool may_have(std::int32_t stream_id, std::int32_t window);

  std::uint32_t least_bytes_;
  WindowEstimate estimate_;
  BufferShare& buffers_;
  Pressure pressure_ = Pressure::none;
  std::size_t n_unacked_settings_ = 0;
  bool are_apart_ = false;  ///< some stream may have another than SETTINGS say
  std::unordered_map<std::int32_t, std::int32_t> grown_;  ///< by how much those of streams have
  std::int64_t grown_bytes_ = 0;                          ///< their sum
  bool may_not_grow_ = false;                             ///< it was so when it was last asked
};

}  // namespace router::h2
