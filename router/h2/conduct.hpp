// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/metrics.hpp"
#include "router/worker/timer_wheel.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <nghttp2/nghttp2.h>

namespace router::h2 {

/// A rate with a burst: tokens are taken one by one and come back with time.
class TokenBucket {
 public:
  struct Rate {
    std::uint32_t burst;
    std::uint32_t per_second;
  };

  explicit TokenBucket(Rate rate) noexcept : rate_{rate}, tokens_{rate.burst} {}

  /// Whether one more is within the rate. Takes it then.
  [[nodiscard]] bool take(TimePoint now) noexcept;
  /// Gives tokens back at once; the bucket holds no more than its burst.
  void give(std::uint32_t n) noexcept;

 private:
  Rate rate_;
  std::uint32_t tokens_;
  TimePoint counted_until_{};
};

/// How much of what costs the peer nothing and us something is taken from it on one connection.
/// One connection carries all the calls of a pod, so honest peers are far below each figure.
struct ConductLimits {
  /// Streams that we reset for the peer's own faults. Each was a request that had been passed on
  /// (CVE-2025-8671, "MadeYouReset"): the peer has us do what `SessionLimits::reset_burst` forbids
  /// it. An honest peer makes none; a broken library makes some in each hundred of its calls.
  TokenBucket::Rate faults{.burst = 1'000, .per_second = 100};
  /// Streams that are refused since `SessionLimits::max_concurrent_streams` are open. A client that
  /// has acknowledged our SETTINGS may open none, and loses its connection for the first. Before
  /// that an honest one opens a round trip's worth; who never acknowledges is held up by this
  /// alone.
  TokenBucket::Rate refusals{.burst = 2'000, .per_second = 100};
  /// Frames that carry nothing of a request: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA,
  /// unknown ones (CVE-2019-9511 to 9518). One keep-alive or resize now and then is honest.
  TokenBucket::Rate control_frames{.burst = 1'000, .per_second = 100};
  /// Further ones for each HEADERS or DATA that we send, since WINDOW_UPDATE and the PINGs of
  /// bandwidth estimators answer those; Envoy's `max_inbound_window_update_frames_per_data_frame`.
  std::uint32_t control_frames_per_frame = 10;
  /// The same by size: some peers give a window back in slices, for stream and connection alike.
  std::uint32_t bytes_per_control_frame = 1024;
};

/// Follows one connection for what a peer may do by the letter of RFC 9113 only so often, and for
/// one thing that it may not and nghttp2 lets pass. Pure: knows no session, no socket, no clock.
class Conduct {
 public:
  explicit Conduct(const ConductLimits& limits) noexcept
      : limits_{limits},
        faults_{limits.faults},
        refusals_{limits.refusals},
        control_frames_{limits.control_frames} {}

  /// The head of a frame has come. The limit that it is beyond, if any.
  [[nodiscard]] std::optional<telemetry::Limit> on_received(const nghttp2_frame_hd& frame,
                                                            TimePoint now) noexcept;
  /// A frame goes out. `code` is that of a RST_STREAM; of others it is not looked at.
  [[nodiscard]] std::optional<telemetry::Limit> on_sent(const nghttp2_frame_hd& frame,
                                                        std::uint32_t code,
                                                        TimePoint now) noexcept;
  /// A stream of the peer has been refused, which its RST_STREAM may tell much later: the peer need
  /// not read it.
  [[nodiscard]] std::optional<telemetry::Limit> on_refused(TimePoint now) noexcept;

  /// Server: the error code that ends a client's connection for a frame on a stream that it may not
  /// use any more, which nghttp2 ignores; NO_ERROR for all others. PROTOCOL_ERROR: HEADERS on a
  /// stream that was passed over, since ids only rise (RFC 9113 section 5.1.1). STREAM_CLOSED:
  /// HEADERS or DATA on one that the client itself has ended or reset (section 5.1, "closed"). Late
  /// frames on a stream that we reset are no fault, since they may have crossed our RST_STREAM.
  [[nodiscard]] std::uint32_t fault_of(const nghttp2_frame_hd& frame) noexcept;

 private:
  /// Clients number their streams without gaps, but for some that leave out the first few. What is
  /// further back than so many gaps is taken for a late frame, and ignored.
  static constexpr std::size_t kGaps = 4;
  /// Of the streams that ended last; a frame of an older one is ignored as well. Only a client that
  /// is broken or up to something has any, so a few will do to tell it.
  static constexpr std::size_t kEnded = 8;
  struct Gap {
    std::int32_t first = 0;
    std::int32_t last = 0;
  };

  void open(std::int32_t stream_id) noexcept;
  [[nodiscard]] bool is_passed_over(std::int32_t stream_id) const noexcept;

  ConductLimits limits_;
  TokenBucket faults_;
  TokenBucket refusals_;
  TokenBucket control_frames_;
  std::int32_t last_id_ = -1;
  std::array<Gap, kGaps> gaps_{};  ///< ids that were passed over
  std::size_t next_gap_ = 0;
  std::array<std::int32_t, kEnded> ended_{};
  std::size_t next_ended_ = 0;
};

}  // namespace router::h2
