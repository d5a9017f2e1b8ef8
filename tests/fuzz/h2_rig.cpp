// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/h2_rig.hpp"

#include "tests/fuzz/h2_stream.hpp"

#include <algorithm>
#include <utility>

namespace fuzz {
namespace {

using router::Reset;
using router::h2::Role;

/// Small limits, so that short scripts reach them; the rate of resets is 0 lest time matters.
router::h2::SessionLimits small_limits() {
  router::h2::SessionLimits limits;
  limits.max_concurrent_streams = 8;
  limits.header_list_bytes = 4096;
  limits.reset_burst = 8;
  limits.resets_per_second = 0;
  return limits;
}

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kEmptySettings{"\0\0\0\4\0\0\0\0\0", 9};
constexpr std::size_t kMostRequests = 8;
/// Frames answer frames, and bodies are bounded by windows: far more than any script asks for.
constexpr std::size_t kMostWrites = 100'000;

std::string_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

H2Rig::H2Rig(Role role, Input script)
    : role_{role},
      script_{script},
      rng_{script_.byte()},
      options_{script_.byte()},
      limits_{small_limits()},
      session_{role, limits_, *this, buffers_} {}

H2Rig::~H2Rig() = default;

router::h2::StreamEvents* H2Rig::on_new_stream(router::h2::StreamId id) {
  require(role_ == Role::server, "only a server is asked for streams");
  if (draw(16) == 0) {
    return nullptr;
  }
  H2Stream& stream = streams_.emplace_back(*this);
  stream.self = std::prev(streams_.end());
  stream.id = id;
  ++n_opened_;
  return &stream;
}

void H2Rig::open_request() {
  const bool is_allowed =
      !is_going_away_ && session_.has_stream_ids() &&
      streams_.size() < std::min<std::size_t>(session_.peer_max_streams(), kMostRequests);
  if (role_ != Role::client || !is_allowed || !is_alive_) {
    return;
  }
  H2Stream& stream = streams_.emplace_back(*this);
  stream.self = std::prev(streams_.end());
  ++n_opened_;
  stream.begin_request();
}

void H2Rig::on_settings() {
  if (draw(4) == 0) {
    open_request();  // as a pool does whose waiters were held up
  }
}

void H2Rig::on_ping_ack() {
  if (is_draining_) {
    session_.finish();
  }
}

void H2Rig::run() {
  const bool is_greeted = (options_ & Option::no_greeting) == 0;
  if ((options_ & Option::raw) != 0) {
    unread_ = view_of(script_.rest());
    act(Action::exchange);
  } else {
    if (is_greeted && role_ == Role::server) {
      unread_ += kPreface;
    }
    unread_ += is_greeted ? kEmptySettings : std::string_view{};
    play_frames();
  }
  end();
}

void H2Rig::play_frames() {
  while (!script_.empty() && is_alive_) {
    const std::uint8_t type = script_.byte();
    if (type < kFirstAction) {
      add_frame(type);
    } else {
      act(static_cast<Action>(type - kFirstAction));
    }
  }
  act(Action::exchange);
}

void H2Rig::add_frame(std::uint8_t type) {
  constexpr std::uint8_t kMaxType = 0x0f;  // those that nghttp2 knows, and some that nobody knows
  constexpr std::size_t kFullFrame = 16 * std::size_t{1024};
  const std::uint8_t flags = script_.byte();
  const std::uint8_t stream = script_.byte();
  const std::uint8_t length = script_.byte();
  // The longest length stands for a full frame, so that a short script fills a window.
  std::string payload =
      length == 0xff ? std::string(kFullFrame, '\0') : std::string{view_of(script_.take(length))};
  // Source: RFC 9113 section 4.1.
  const std::size_t size = payload.size();
  for (const std::size_t byte : {size >> 16U, size >> 8U & 0xffU, size & 0xffU}) {
    unread_ += static_cast<char>(byte);
  }
  unread_ += static_cast<char>(type & kMaxType);
  unread_ += static_cast<char>(flags);
  unread_ += std::string_view{"\0\0\0", 3};
  unread_ += static_cast<char>(stream);
  unread_ += payload;
}

void H2Rig::act(Action action) {
  read();
  if (!is_alive_) {
    return;
  }
  switch (action) {
    case Action::read:
      return;
    case Action::announce_shutdown:
      is_draining_ = true;
      session_.announce_shutdown();
      break;
    case Action::finish:
      is_going_away_ = true;
      session_.finish();
      break;
    case Action::resume:
    case Action::consume:
      for (H2Stream& stream : streams_) {
        action == Action::resume ? stream.resume() : stream.consume();
      }
      break;
    case Action::reset_first:
    case Action::reset_last:
      if (!streams_.empty()) {
        (action == Action::reset_first ? streams_.front() : streams_.back()).reset(Reset::cancel);
      }
      break;
    case Action::open:
      open_request();
      break;
    default:
      break;
  }
  write();
}

void H2Rig::read() {
  const std::string bytes = std::exchange(unread_, {});
  // Full frames in single bytes take long, and show nothing that short ones do not.
  constexpr std::size_t kMostCut = 2048;
  const auto drawn = kCuttings.at(draw(kCuttings.size()));
  const auto cutting = bytes.size() > kMostCut ? Cutting::none : drawn;
  for_each_piece(bytes, cutting, [this](std::string_view piece) {
    is_alive_ = session_.feed(std::as_bytes(std::span{piece}), {}).has_value();
    return is_alive_;
  });
}

void H2Rig::write() {
  std::size_t n_writes = 0;
  while (!session_.drain().empty()) {
    require(++n_writes < kMostWrites, "there is an end of what is to be written");
  }
  require(session_.n_copied_bytes() == 0, "what is written is kept no longer");
  is_alive_ = !session_.is_finished();
}

void H2Rig::end() {
  for (H2Stream& stream : streams_) {
    if (is_alive_) {
      stream.reset(Reset::cancel);
    }
  }
  if (is_alive_) {
    write();
  }
  // A connection that has failed abandons its streams itself, and one whose peer has come to allow
  // no stream keeps those that it has not begun.
  const bool is_barred = role_ == Role::client && session_.peer_max_streams() == 0;
  require(!is_alive_ || is_barred || streams_.empty(), "a stream that was opened is closed");
  require(n_closed_ + streams_.size() == n_opened_, "a stream is closed once");
}

}  // namespace fuzz
