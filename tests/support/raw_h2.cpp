// SPDX-License-Identifier: Apache-2.0
#include "tests/support/raw_h2.hpp"

#include <poll.h>

namespace test {
namespace {

constexpr std::size_t kFrameHeadBytes = 9;
constexpr std::uint32_t kStreamIdMask = 0x7fffffff;

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) {
    value = value << 8 | static_cast<unsigned char>(c);
  }
  return value;
}

/// An integer with a 7-bit prefix, first bit (Huffman) 0. Source: RFC 7541 section 5.1.
std::string hpack_string(std::string_view text) {
  constexpr std::size_t kPrefixMax = 127;
  std::string bytes;
  std::size_t rest = text.size();
  if (rest < kPrefixMax) {
    bytes += static_cast<char>(rest);
  } else {
    bytes += static_cast<char>(kPrefixMax);
    for (rest -= kPrefixMax; rest >= 128; rest /= 128) {
      bytes += static_cast<char>(rest % 128 + 128);
    }
    bytes += static_cast<char>(rest);
  }
  return bytes.append(text);
}

}  // namespace

std::uint32_t Frame::error_code() const {
  // GOAWAY carries the last stream id before it.
  return read_u32(std::string_view{payload}.substr(type == FrameType::go_away ? 4 : 0));
}

std::uint32_t Frame::window_increment() const {
  return read_u32(payload);
}

std::string u32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(value >> shift & 0xff);
  }
  return bytes;
}

std::string frame_bytes(const Frame& frame, std::optional<std::uint32_t> length) {
  const std::uint32_t size = length.value_or(static_cast<std::uint32_t>(frame.payload.size()));
  std::string bytes = u32(size).substr(1);
  bytes += static_cast<char>(frame.type);
  bytes += static_cast<char>(frame.flags);
  return bytes + u32(frame.stream) + frame.payload;
}

std::string hpack(const Headers& headers) {
  std::string block;
  for (const Header& header : headers) {
    block += '\0';
    block += hpack_string(header.name) + hpack_string(header.value);
  }
  return block;
}

void RawH2::send(std::string_view bytes) {
  send_all(socket_, bytes, Deadline{"the peer to take frames"});
}

void RawH2::shake_hands() {
  send(kPreface);
  send({.type = FrameType::settings});
  if (!read_until(FrameType::settings)) {
    throw Failure{"the connection ended before SETTINGS came"};
  }
  send({.type = FrameType::settings, .flags = kAck});
}

void RawH2::send_headers(std::uint32_t stream, const Headers& headers, bool end_stream) {
  const int flags = kEndHeaders | (end_stream ? kEndStream : 0);
  send({.type = FrameType::headers,
        .flags = static_cast<std::uint8_t>(flags),
        .stream = stream,
        .payload = hpack(headers)});
}

std::string RawH2::read_text(std::string_view end) {
  const Deadline deadline{"text"};
  std::size_t at = buffer_.find(end);
  while (at == std::string::npos) {
    if (!read_more(deadline)) {
      throw Failure{"the connection ended behind " + buffer_};
    }
    at = buffer_.find(end);
  }
  std::string text = buffer_.substr(0, at + end.size());
  buffer_.erase(0, text.size());
  return text;
}

std::optional<Frame> RawH2::read() {
  const Deadline deadline{"a frame"};
  while (buffer_.size() < kFrameHeadBytes ||
         buffer_.size() < kFrameHeadBytes + (read_u32(buffer_) >> 8)) {
    if (!read_more(deadline)) {
      return std::nullopt;
    }
  }
  const std::size_t size = read_u32(buffer_) >> 8;
  Frame frame;
  frame.type = static_cast<FrameType>(buffer_[3]);
  frame.flags = static_cast<std::uint8_t>(buffer_[4]);
  frame.stream = read_u32(std::string_view{buffer_}.substr(5)) & kStreamIdMask;
  frame.payload = buffer_.substr(kFrameHeadBytes, size);
  buffer_.erase(0, kFrameHeadBytes + size);
  return frame;
}

std::optional<Frame> RawH2::read_until(FrameType type) {
  for (;;) {
    auto frame = read();
    if (!frame || frame->type == type) {
      return frame;
    }
  }
}

std::uint32_t RawH2::expect_connection_error() {
  const auto go_away = read_until(FrameType::go_away);
  if (!go_away) {
    throw Failure{"the connection ended without GOAWAY"};
  }
  while (read()) {
  }
  return go_away->error_code();
}

std::uint32_t RawH2::expect_stream_error(std::uint32_t stream) {
  for (;;) {
    const auto frame = read();
    if (!frame) {
      throw Failure{"the connection ended instead of the stream"};
    }
    if (frame->type == FrameType::rst_stream && frame->stream == stream) {
      return frame->error_code();
    }
    if (frame->type == FrameType::go_away) {
      throw Failure{"the stream's error became the connection's: GOAWAY with " +
                    std::to_string(frame->error_code())};
    }
  }
}

bool RawH2::is_alive() {
  send({.type = FrameType::ping, .payload = "8 bytes."});
  for (auto frame = read(); frame; frame = read()) {
    if (frame->type == FrameType::ping && (frame->flags & kAck) != 0) {
      return frame->payload == "8 bytes.";
    }
  }
  return false;
}

bool RawH2::read_more(const Deadline& deadline) {
  for (;;) {
    wait_for(socket_, POLLIN, deadline);
    const Received received = receive_some(socket_);
    buffer_ += received.bytes;
    if (!received.bytes.empty() || received.closed) {
      return !received.closed;
    }
  }
}

}  // namespace test
