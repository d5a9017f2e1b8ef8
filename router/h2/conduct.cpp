// SPDX-License-Identifier: Apache-2.0
#include "router/h2/conduct.hpp"

#include <algorithm>
#include <chrono>

namespace router::h2 {

using telemetry::Limit;

bool TokenBucket::take(TimePoint now) noexcept {
  using std::chrono::nanoseconds;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const auto passed = std::max(nanoseconds{0}, nanoseconds{now - counted_until_});
  // A longer time fills any bucket, and its product would overflow.
  constexpr std::chrono::hours kLong{1};
  const std::uint64_t n_due =
      passed > kLong ? rate_.burst
                     : static_cast<std::uint64_t>(passed.count()) * rate_.per_second / kSecond;
  if (n_due > 0) {
    give(static_cast<std::uint32_t>(std::min<std::uint64_t>(n_due, rate_.burst)));
    counted_until_ = now;
  }
  if (tokens_ == 0) {
    return false;
  }
  --tokens_;
  return true;
}

void TokenBucket::give(std::uint32_t n) noexcept {
  tokens_ = n < rate_.burst - tokens_ ? tokens_ + n : rate_.burst;
}

std::optional<Limit> Conduct::on_received(const nghttp2_frame_hd& frame, TimePoint now) noexcept {
  switch (frame.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:  // SessionLimits::max_continuations
    case NGHTTP2_RST_STREAM:    // SessionLimits::reset_burst
      return std::nullopt;
    case NGHTTP2_DATA:
      if (frame.length > 0 || (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        return std::nullopt;
      }
      break;
    default:
      break;
  }
  return control_frames_.take(now) ? std::nullopt : std::optional{Limit::control_frames};
}

std::optional<Limit> Conduct::on_sent(const nghttp2_frame_hd& frame,
                                      std::uint32_t code,
                                      TimePoint now) noexcept {
  if (frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_DATA) {
    control_frames_.give(
        limits_.control_frames_per_frame +
        static_cast<std::uint32_t>(frame.length / limits_.bytes_per_control_frame));
    return std::nullopt;
  }
  if (frame.type == NGHTTP2_PING && (frame.flags & NGHTTP2_FLAG_ACK) == 0) {
    control_frames_.give(1);  // its answer
    return std::nullopt;
  }
  // Our own reasons to reset have other codes: CANCEL, NO_ERROR, REFUSED_STREAM, INTERNAL_ERROR.
  const bool is_fault = frame.type == NGHTTP2_RST_STREAM &&
                        (code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR ||
                         code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_FRAME_SIZE_ERROR);
  return !is_fault || faults_.take(now) ? std::nullopt : std::optional{Limit::stream_faults};
}

std::optional<Limit> Conduct::on_refused(TimePoint now) noexcept {
  return refusals_.take(now) ? std::nullopt : std::optional{Limit::stream_refusals};
}

std::uint32_t Conduct::fault_of(const nghttp2_frame_hd& frame) noexcept {
  const bool is_message = frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_DATA;
  if (is_message && std::find(ended_.begin(), ended_.end(), frame.stream_id) != ended_.end() &&
      frame.stream_id > 0) {
    return NGHTTP2_STREAM_CLOSED;
  }
  if (frame.type == NGHTTP2_HEADERS && frame.stream_id % 2 == 1) {  // even: nghttp2 sees that
    if (frame.stream_id > last_id_) {
      open(frame.stream_id);
    } else if (is_passed_over(frame.stream_id)) {
      return NGHTTP2_PROTOCOL_ERROR;
    }
  }
  if (frame.type == NGHTTP2_RST_STREAM ||
      (is_message && (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0)) {
    ended_[next_ended_] = frame.stream_id;
    next_ended_ = (next_ended_ + 1) % kEnded;
  }
  return NGHTTP2_NO_ERROR;
}

void Conduct::open(std::int32_t stream_id) noexcept {
  if (stream_id > last_id_ + 2) {
    gaps_[next_gap_] = {last_id_ + 2, stream_id - 2};
    next_gap_ = (next_gap_ + 1) % kGaps;
  }
  last_id_ = stream_id;
}

bool Conduct::is_passed_over(std::int32_t stream_id) const noexcept {
  return std::any_of(gaps_.begin(), gaps_.end(), [stream_id](const Gap& gap) {
    return gap.first <= stream_id && stream_id <= gap.last;
  });
}

}  // namespace router::h2
