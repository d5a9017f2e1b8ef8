// SPDX-License-Identifier: Apache-2.0
// What a client does wrong ends its connection with the code that RFC 9113 gives, and hurts nobody
// else.
#include "tests/conformance/listener.hpp"

#include <catch2/catch.hpp>

using test::Frame;
using test::FrameType;

namespace {

std::string setting(std::uint16_t id, std::uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id & 0xff)} + test::u32(value);
}

struct Wrong {
  std::string section;
  std::string bytes;
  std::uint32_t code;
};

std::string bytes_of(const Frame& frame) {
  return test::frame_bytes(frame);
}

const std::string kHeaders = test::hpack(test::good_request());

std::string headers_frame(std::uint32_t stream, std::uint8_t flags) {
  return bytes_of(
      {.type = FrameType::headers, .flags = flags, .stream = stream, .payload = kHeaders});
}

// Sections 4 to 6.4: frames, streams, DATA, HEADERS, PRIORITY, RST_STREAM.
std::vector<Wrong> wrong_frames_of_streams() {
  using test::kEndHeaders;
  return {
      {"4.2: a frame larger than SETTINGS_MAX_FRAME_SIZE",
       headers_frame(1, kEndHeaders) +
           bytes_of({.type = FrameType::data, .stream = 1, .payload = std::string(16385, 'x')}),
       test::kFrameSizeError},
      {"4.3: a field block that is no HPACK",
       bytes_of({.type = FrameType::headers,
                 .flags = kEndHeaders,
                 .stream = 1,
                 .payload = "\xff\xff\xff\xff\xff"}),
       test::kCompressionError},
      {"5.1: DATA on an idle stream",
       bytes_of({.type = FrameType::data, .stream = 1, .payload = "x"}),
       test::kProtocolError},
      {"5.1: WINDOW_UPDATE on an idle stream",
       bytes_of({.type = FrameType::window_update, .stream = 1, .payload = test::u32(1)}),
       test::kProtocolError},
      {"5.1.1: a stream with an even id", headers_frame(2, kEndHeaders), test::kProtocolError},
      {"6.1: DATA on stream 0",
       bytes_of({.type = FrameType::data, .payload = "x"}),
       test::kProtocolError},
      {"6.1: padding that is longer than the frame",
       headers_frame(1, kEndHeaders) + bytes_of({.type = FrameType::data,
                                                 .flags = test::kPadded,
                                                 .stream = 1,
                                                 .payload = "\x09xyz"}),
       test::kProtocolError},
      {"6.2: HEADERS on stream 0", headers_frame(0, kEndHeaders), test::kProtocolError},
      {"6.3: PRIORITY on stream 0",
       bytes_of({.type = FrameType::priority, .payload = std::string(5, '\0')}),
       test::kProtocolError},
      {"6.4: RST_STREAM on stream 0",
       bytes_of({.type = FrameType::rst_stream, .payload = test::u32(8)}),
       test::kProtocolError},
      {"6.4: RST_STREAM on an idle stream",
       bytes_of({.type = FrameType::rst_stream, .stream = 1, .payload = test::u32(8)}),
       test::kProtocolError},
      {"6.4: RST_STREAM of a wrong length",
       headers_frame(1, kEndHeaders) +
           bytes_of({.type = FrameType::rst_stream, .stream = 1, .payload = "abc"}),
       test::kFrameSizeError},
  };
}

// Section 6.5.
std::vector<Wrong> wrong_settings() {
  return {
      {"6.5: SETTINGS on a stream",
       bytes_of({.type = FrameType::settings, .stream = 1}),
       test::kProtocolError},
      {"6.5: an ACK of SETTINGS with a payload",
       bytes_of({.type = FrameType::settings, .flags = test::kAck, .payload = setting(3, 1)}),
       test::kFrameSizeError},
      {"6.5: SETTINGS of a length that is no multiple of 6",
       bytes_of({.type = FrameType::settings, .payload = "abcde"}),
       test::kFrameSizeError},
      {"6.5.2: ENABLE_PUSH that is neither 0 nor 1",
       bytes_of({.type = FrameType::settings, .payload = setting(2, 2)}),
       test::kProtocolError},
      {"6.5.2: INITIAL_WINDOW_SIZE above its maximum",
       bytes_of({.type = FrameType::settings, .payload = setting(4, 0x80000000U)}),
       test::kFlowControlError},
      {"6.5.2: MAX_FRAME_SIZE below its minimum",
       bytes_of({.type = FrameType::settings, .payload = setting(5, 16383)}),
       test::kProtocolError},
  };
}

// Sections 6.6 to 6.10.
std::vector<Wrong> wrong_control_frames() {
  using test::kEndHeaders;
  return {
      {"6.6: PUSH_PROMISE of a client",
       headers_frame(1, kEndHeaders) + bytes_of({.type = FrameType::push_promise,
                                                 .flags = kEndHeaders,
                                                 .stream = 1,
                                                 .payload = test::u32(2) + kHeaders}),
       test::kProtocolError},
      {"6.7: PING on a stream",
       bytes_of({.type = FrameType::ping, .stream = 1, .payload = "8 bytes."}),
       test::kProtocolError},
      {"6.7: PING of a wrong length",
       bytes_of({.type = FrameType::ping, .payload = "7 bytes"}),
       test::kFrameSizeError},
      {"6.8: GOAWAY on a stream",
       bytes_of({.type = FrameType::go_away, .stream = 1, .payload = test::u32(0) + test::u32(0)}),
       test::kProtocolError},
      {"6.9: WINDOW_UPDATE of the connection by 0",
       bytes_of({.type = FrameType::window_update, .payload = test::u32(0)}),
       test::kProtocolError},
      {"6.9: WINDOW_UPDATE of a wrong length",
       bytes_of({.type = FrameType::window_update, .payload = "abc"}),
       test::kFrameSizeError},
      {"6.9.1: a connection's window above its maximum",
       bytes_of({.type = FrameType::window_update, .payload = test::u32(0x7fffffff)}),
       test::kFlowControlError},
      {"6.10: CONTINUATION without HEADERS",
       bytes_of({.type = FrameType::continuation,
                 .flags = kEndHeaders,
                 .stream = 1,
                 .payload = kHeaders}),
       test::kProtocolError},
      {"6.10: another frame inside of a field block",
       headers_frame(1, 0) + bytes_of({.type = FrameType::ping, .payload = "8 bytes."}),
       test::kProtocolError},
      {"6.10: CONTINUATION of another stream",
       headers_frame(1, 0) +
           bytes_of({.type = FrameType::continuation, .flags = kEndHeaders, .stream = 3}),
       test::kProtocolError},
  };
}

}  // namespace

TEST_CASE("RFC 9113: what breaks the connection is answered with GOAWAY and its code",
          "[conformance]") {
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    return test::Answer{.body = "ok", .held = request.header(":path") != "/free"};
  }}};
  const auto wrong_frames = GENERATE(as<std::vector<Wrong>>{},
                                     wrong_frames_of_streams(),
                                     wrong_settings(),
                                     wrong_control_frames());
  for (const Wrong& wrong : wrong_frames) {
    CAPTURE(wrong.section);
    test::RawH2 raw{path.router.listen_port()};
    raw.shake_hands();

    raw.send(wrong.bytes);

    CHECK(raw.expect_connection_error() == wrong.code);
  }
  path.upstream.wait_until_open(0);
  CHECK(path.client.get("cart.shop", "/free").status == 200);  // other clients go on
}

TEST_CASE("RFC 9113, 3.4: a wrong preface gets no HTTP/2", "[conformance]") {
  test::OneService path{test::answer(200, "ok")};
  test::RawH2 raw{path.router.listen_port()};

  raw.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");

  // GOAWAY may be omitted: the peer may not be using HTTP/2.
  while (const auto frame = raw.read()) {
    CHECK((frame->type == FrameType::settings || frame->type == FrameType::window_update ||
           frame->type == FrameType::go_away));
  }
}

TEST_CASE("RFC 9113, 5.1.1: a stream with a lower id than one before is an error",
          "[conformance]") {
  test::Listener listener;
  listener.raw.send_headers(5, test::good_request(), true);
  listener.path.upstream.wait_for_request(1);

  listener.raw.send_headers(3, test::good_request(), true);

  CHECK(listener.raw.expect_connection_error() == test::kProtocolError);
  CHECK(listener.path.upstream.requests_seen() == 1);
}

TEST_CASE("RFC 9113, 5.1: what comes late on a stream that was reset is ignored", "[conformance]") {
  test::OneService path{test::always({.status = 413, .body = "too much", .at_head = true})};
  test::RawH2 raw{path.router.listen_port()};
  raw.shake_hands();
  raw.send_headers(1, test::good_request(), false);
  static_cast<void>(raw.read_until(FrameType::rst_stream));

  raw.send({.type = FrameType::data, .stream = 1, .payload = "late"});
  raw.send_headers(1, {{"x-trailer", "late"}}, true);

  CHECK(raw.is_alive());
}

TEST_CASE("RFC 9113, 5.1: frames after END_STREAM are an error", "[conformance]") {
  test::Listener listener;
  listener.raw.send_headers(1, test::good_request(), true);
  listener.path.upstream.wait_for_request(1);

  listener.raw.send({.type = FrameType::data, .stream = 1, .payload = "late"});

  // The RFC calls it the stream's error; many servers, as section 5.4.2 allows, the connection's.
  std::optional<Frame> answer = listener.raw.read();
  while (answer && answer->type != FrameType::rst_stream && answer->type != FrameType::go_away) {
    answer = listener.raw.read();
  }
  REQUIRE(answer);
  CHECK(answer->error_code() == test::kStreamClosed);
}

TEST_CASE("RFC 9113, 10.5: a field block without end is cut off", "[conformance]") {
  test::Listener listener;
  listener.raw.send(headers_frame(1, 0));

  bool is_over = false;
  for (int i = 0; i < 100'000 && !is_over; ++i) {
    try {
      listener.raw.send({.type = FrameType::continuation, .stream = 1});
    } catch (const test::Failure&) {
      is_over = true;
    }
  }

  CHECK(is_over);
  CHECK(listener.path.upstream.requests_seen() == 0);
}
