// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/message.hpp"
#include "tests/support/socket.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace test {

/// Frame types of RFC 9113 section 6.
enum class FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  go_away = 7,
  window_update = 8,
  continuation = 9,
};

inline constexpr std::uint8_t kEndStream = 0x1;
inline constexpr std::uint8_t kAck = 0x1;
inline constexpr std::uint8_t kEndHeaders = 0x4;
inline constexpr std::uint8_t kPadded = 0x8;

struct Frame {
  FrameType type{};
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload{};

  /// Error code of RST_STREAM or GOAWAY.
  [[nodiscard]] std::uint32_t error_code() const;
  /// Of WINDOW_UPDATE.
  [[nodiscard]] std::uint32_t window_increment() const;
};

[[nodiscard]] std::string u32(std::uint32_t value);  ///< big endian
/// The frame's bytes. `length` lies about the payload's size where a test wants that.
[[nodiscard]] std::string frame_bytes(const Frame& frame,
                                      std::optional<std::uint32_t> length = std::nullopt);
/// HPACK: each field as a literal without indexing and without Huffman coding.
/// Source: RFC 7541 section 6.2.2.
[[nodiscard]] std::string hpack(const Headers& headers);
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A TCP connection on which a test speaks HTTP/2 frame by frame. Every wait ends with a `Failure`
/// after `kPatience`.
class RawH2 {
 public:
  explicit RawH2(std::uint16_t port) : socket_{connect_to_loopback(port)} {}

  void send(std::string_view bytes);
  void send(const Frame& frame) { send(frame_bytes(frame)); }
  /// Preface, empty SETTINGS, and the ACK of the peer's SETTINGS once they have come.
  void shake_hands();
  void send_headers(std::uint32_t stream, const Headers& headers, bool end_stream);

  /// Bytes of another protocol that come before the first frame, up to and with `end`.
  std::string read_text(std::string_view end);
  /// The next frame, or `nullopt` at the end of the connection.
  std::optional<Frame> read();
  /// The next frame of this type; others are skipped. `nullopt` if the connection ends before.
  std::optional<Frame> read_until(FrameType type);
  /// The error code of the GOAWAY that must come, followed by the end of the connection.
  std::uint32_t expect_connection_error();
  /// The error code of the RST_STREAM for `stream` that must come (RFC 9113 section 5.4.2).
  std::uint32_t expect_stream_error(std::uint32_t stream);
  /// Checks that the connection still works: PING is answered.
  bool is_alive();

 private:
  bool read_more(const Deadline& deadline);

  Fd socket_;
  std::string buffer_;
};

}  // namespace test
