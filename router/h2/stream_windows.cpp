// SPDX-License-Identifier: Apache-2.0
#include "router/h2/stream_windows.hpp"

#include "router/h2/require.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace router::h2 {
namespace {

/// Of the PINGs that measure a round trip, so that their answers are told from those of a shutdown.
constexpr std::array<std::uint8_t, 8> kMeasuringPing{'r', 'o', 'u', 'n', 'd', 't', 'r', 'p'};

/// Of streams at their beginning, as the peer knows it.
std::int32_t initial_window(nghttp2_session& session) noexcept {
  return static_cast<std::int32_t>(
      nghttp2_session_get_local_settings(&session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE));
}

}  // namespace

void StreamWindows::set_pressure(nghttp2_session& session, Pressure pressure) {
  const Pressure before = std::exchange(pressure_, pressure);
  if ((before == Pressure::full) != (pressure == Pressure::full)) {
    announce(session,
             pressure == Pressure::full ? std::min(BufferBudget::kNarrowWindow, least_bytes_)
                                        : least_bytes_);
  }
}

void StreamWindows::announce(nghttp2_session& session, std::uint32_t bytes) {
  const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, bytes};
  require(nghttp2_submit_settings(&session, NGHTTP2_FLAG_NONE, &window, 1));
  on_settings_submitted();
}

void StreamWindows::on_data(nghttp2_session& session, std::size_t n_bytes, TimePoint now) {
  if (estimate_.on_data(n_bytes, now)) {
    nghttp2_submit_ping(&session, NGHTTP2_FLAG_NONE, kMeasuringPing.data());
  }
}

bool StreamWindows::on_ping_ack(const nghttp2_ping& ping, TimePoint now) noexcept {
  if (!std::equal(kMeasuringPing.begin(), kMeasuringPing.end(), std::begin(ping.opaque_data))) {
    return false;
  }
  estimate_.on_ping_ack(now);
  return true;
}

std::optional<telemetry::Limit> StreamWindows::consume(nghttp2_session& session,
                                                       std::int32_t stream_id,
                                                       std::size_t n_bytes) {
  std::optional<telemetry::Limit> beyond;
  // While SETTINGS are on their way, which of them a stream's window knows of is not known.
  if ((estimate_.has_grown() || are_apart_) && n_unacked_settings_ == 0) {
    if (nghttp2_session_get_stream_remote_close(&session, stream_id) == 1) {
      give_back(stream_id);  // it has come whole
    } else {
      beyond = fit(session, stream_id);
    }
  }
  // Fails harmlessly if the stream is gone.
  nghttp2_session_consume_stream(&session, stream_id, n_bytes);
  return beyond;
}

std::optional<telemetry::Limit> StreamWindows::fit(nghttp2_session& session,
                                                   std::int32_t stream_id) {
  const std::int32_t now =
      nghttp2_session_get_stream_effective_local_window_size(&session, stream_id);
  const std::int32_t wanted = pressure_ == Pressure::none
                                  ? static_cast<std::int32_t>(estimate_.window_bytes())
                                  : initial_window(session);
  const std::int32_t n_unreturned =
      nghttp2_session_get_stream_effective_recv_data_length(&session, stream_id);
  // A stream that has not come this far needs no larger one, and one that is not read not yet.
  const bool is_due = now > wanted || (now < wanted && n_unreturned >= now / 2);
  if (now < 0 || !is_due) {
    return std::nullopt;
  }
  if (!may_have(stream_id, wanted)) {
    const bool was_told = std::exchange(may_not_grow_, true);
    return was_told ? std::nullopt : std::optional{telemetry::Limit::window_growth};
  }
  require(nghttp2_session_set_local_window_size(&session, NGHTTP2_FLAG_NONE, stream_id, wanted));
  are_apart_ = true;
  return std::nullopt;
}

bool StreamWindows::may_have(std::int32_t stream_id, std::int32_t window) {
  const std::int32_t wanted = std::max(0, window - static_cast<std::int32_t>(least_bytes_));
  const auto found = grown_.find(stream_id);
  const std::int32_t more = wanted - (found == grown_.end() ? 0 : found->second);
  if (more > 0) {
    if (grown_bytes_ + more > kMaxGrownBytes || !buffers_.grow(more)) {
      return false;
    }
    may_not_grow_ = false;
    grown_bytes_ += more;
    grown_[stream_id] = wanted;
  } else if (wanted == 0) {
    give_back(stream_id);
  } else if (more < 0) {
    found->second = wanted;
    grown_bytes_ += more;
    buffers_.shrink(-more);
  }
  return true;
}

void StreamWindows::give_back(std::int32_t stream_id) noexcept {
  if (const auto found = grown_.find(stream_id); found != grown_.end()) {
    grown_bytes_ -= found->second;
    buffers_.shrink(found->second);
    grown_.erase(found);
  }
}

}  // namespace router::h2
