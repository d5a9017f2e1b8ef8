// SPDX-License-Identifier: Apache-2.0
// What RFC 9113 asks of a server's connection and of single streams.
#include "tests/conformance/listener.hpp"

#include <catch2/catch.hpp>

using test::FrameType;

TEST_CASE("RFC 9113, 3.4: the server's first frame is SETTINGS", "[conformance]") {
  test::OneService path{test::answer(200, "ok")};
  test::RawH2 raw{path.router.listen_port()};
  raw.send(test::kPreface);
  raw.send({.type = FrameType::settings});

  const auto first = raw.read();

  REQUIRE(first);
  CHECK(first->type == FrameType::settings);
  CHECK((first->flags & test::kAck) == 0);
}

TEST_CASE("RFC 9113, 4.1: frames of unknown types are ignored", "[conformance]") {
  test::Listener listener;

  listener.raw.send({.type = static_cast<FrameType>(0x42), .flags = 0xff, .payload = "whatever"});
  listener.raw.send({.type = static_cast<FrameType>(0xfe), .stream = 7, .payload = "whatever"});

  CHECK(listener.raw.is_alive());
}

TEST_CASE("RFC 9113, 5.3.2: priorities are ignored, whatever they say", "[conformance]") {
  constexpr int kPriorityFlag = 0x20;
  constexpr auto kPriorityUpdate = static_cast<FrameType>(0x10);  // RFC 9218 section 7.1
  test::Listener listener;
  const std::string on_stream_5 = test::u32(0x80000005U) + '\xff';  // exclusively

  listener.raw.send({.type = FrameType::priority, .stream = 7, .payload = on_stream_5});
  listener.raw.send({.type = kPriorityUpdate, .payload = test::u32(1) + "u=0, i"});
  listener.raw.send(
      {.type = FrameType::headers,
       .flags = static_cast<std::uint8_t>(test::kEndHeaders | test::kEndStream | kPriorityFlag),
       .stream = 1,
       .payload = on_stream_5 + test::hpack(test::good_request())});
  listener.path.upstream.wait_for_request(1);
  listener.path.upstream.release();
  const auto reply = listener.raw.read_until(FrameType::data);
  listener.raw.send({.type = FrameType::priority, .stream = 1, .payload = on_stream_5});

  REQUIRE(reply);
  CHECK(reply->payload == "ok");
  CHECK(listener.raw.is_alive());
}

TEST_CASE("RFC 9113, 6.5: SETTINGS are acknowledged, unknown ones ignored", "[conformance]") {
  test::Listener listener;
  listener.raw.send({.type = FrameType::settings, .payload = std::string{"\x7f\x7f\0\0\0\1", 6}});

  auto answer = listener.raw.read_until(FrameType::settings);
  while (answer && (answer->flags & test::kAck) == 0) {
    answer = listener.raw.read_until(FrameType::settings);
  }

  REQUIRE(answer);
  CHECK(answer->payload.empty());
  CHECK(listener.raw.is_alive());
}

TEST_CASE("RFC 9113, 6.7: PING is answered with its payload", "[conformance]") {
  test::Listener listener;
  listener.raw.send({.type = FrameType::ping, .payload = "abcdefgh"});

  const auto answer = listener.raw.read_until(FrameType::ping);

  REQUIRE(answer);
  CHECK((answer->flags & test::kAck) != 0);
  CHECK(answer->payload == "abcdefgh");
}

TEST_CASE("RFC 9113, 6.9: WINDOW_UPDATE of a stream by 0 or beyond is its error", "[conformance]") {
  const auto [increment, code] = GENERATE(table<std::uint32_t, std::uint32_t>(
      {{0, test::kProtocolError}, {0x7fffffff, test::kFlowControlError}}));
  test::Listener listener;
  listener.raw.send_headers(1, test::good_request(), false);
  listener.path.upstream.wait_for_request(1);

  listener.raw.send(
      {.type = FrameType::window_update, .stream = 1, .payload = test::u32(increment)});

  if (increment == 0) {
    // Section 5.4.2: an endpoint may choose to treat a stream error as a connection error.
    auto answer = listener.raw.read();
    while (answer && answer->type != FrameType::rst_stream && answer->type != FrameType::go_away) {
      answer = listener.raw.read();
    }
    REQUIRE(answer);
    CHECK(answer->error_code() == code);
  } else {
    CHECK(listener.raw.expect_stream_error(1) == code);
    CHECK(listener.raw.is_alive());
  }
  listener.path.upstream.wait_until_open(0);
}

TEST_CASE("RFC 9113, 8.1.1: malformed requests are errors of their streams", "[conformance]") {
  struct Malformed {
    std::string section;
    test::Headers headers;
  };
  const auto request_with = [](const test::Headers& more) {
    test::Headers headers = test::good_request();
    headers.insert(headers.end(), more.begin(), more.end());
    return headers;
  };
  const std::vector<Malformed> malformed{
      {"8.2.1: an upper-case name", request_with({{"X-Upper", "1"}})},
      {"8.2.1: a space in a name", request_with({{"x bad", "1"}})},
      {"8.2.1: a line feed in a value", request_with({{"x-bad", "a\nb"}})},
      {"8.2.2: a connection header", request_with({{"connection", "close"}})},
      {"8.2.2: transfer-encoding", request_with({{"transfer-encoding", "chunked"}})},
      {"8.2.2: te other than trailers", request_with({{"te", "gzip"}})},
      {"8.3: an unknown pseudo-header", request_with({{":surprise", "1"}})},
      {"8.3: a pseudo-header after the others",
       {{":method", "GET"}, {":scheme", "http"}, {"x", "1"}, {":path", "/"}}},
      {"8.3: a pseudo-header twice", request_with({{":path", "/other"}})},
      {"8.3: a reply's pseudo-header", request_with({{":status", "200"}})},
      {"8.3.1: no :method", {{":scheme", "http"}, {":authority", "cart.shop"}, {":path", "/"}}},
      {"8.3.1: no :scheme", {{":method", "GET"}, {":authority", "cart.shop"}, {":path", "/"}}},
      {"8.3.1: no :path", {{":method", "GET"}, {":scheme", "http"}, {":authority", "cart.shop"}}},
      {"8.3.1: an empty :path",
       {{":method", "GET"}, {":scheme", "http"}, {":authority", "cart.shop"}, {":path", ""}}},
  };
  test::Listener listener;
  std::uint32_t stream = 1;
  for (const Malformed& request : malformed) {
    CAPTURE(request.section);
    listener.raw.send_headers(stream, request.headers, true);
    CHECK(listener.raw.expect_stream_error(stream) == test::kProtocolError);
    stream += 2;
  }
  CHECK(listener.raw.is_alive());
  CHECK(listener.path.upstream.requests_seen() == 0);
}

TEST_CASE("RFC 9113, 8.1.1: a body that contradicts content-length is an error of its stream",
          "[conformance]") {
  test::Listener listener;
  test::Headers headers = test::good_request();
  headers.push_back({"content-length", "10"});
  listener.raw.send_headers(1, headers, false);

  listener.raw.send(
      {.type = FrameType::data, .flags = test::kEndStream, .stream = 1, .payload = "short"});

  CHECK(listener.raw.expect_stream_error(1) == test::kProtocolError);
  CHECK(listener.raw.is_alive());
  listener.path.upstream.wait_until_open(0);
}

TEST_CASE("RFC 9113, 8.1: trailers must end the stream and have no pseudo-headers",
          "[conformance]") {
  const auto [trailers, ends] = GENERATE(table<test::Headers, bool>({
      {{{"x-trailer", "1"}}, false},
      {{{":path", "/other"}}, true},
  }));
  test::Listener listener;
  listener.raw.send_headers(1, test::good_request(), false);
  listener.path.upstream.wait_for_request(1);

  listener.raw.send_headers(1, trailers, ends);

  CHECK(listener.raw.expect_stream_error(1) == test::kProtocolError);
  CHECK(listener.raw.is_alive());
  listener.path.upstream.wait_until_open(0);
}

TEST_CASE("RFC 9113, 6.9: flow control starts anew with each stream and counts padding",
          "[conformance]") {
  test::Listener listener;
  listener.raw.send_headers(1, test::good_request(), false);
  listener.path.upstream.wait_for_request(1);

  // 1,000 frames of 1 byte and 255 of padding are 4 windows; they pass only if padding is given
  // back.
  const std::string padded = "\xff" + ("x" + std::string(255, '\0'));
  std::uint64_t window = 65535;
  for (int i = 0; i < 1000; ++i) {
    while (window < padded.size()) {
      const auto update = listener.raw.read_until(FrameType::window_update);
      REQUIRE(update);
      if (update->stream == 1) {
        window += update->window_increment();
      }
    }
    listener.raw.send(
        {.type = FrameType::data, .flags = test::kPadded, .stream = 1, .payload = padded});
    window -= padded.size();
  }

  listener.path.upstream.wait_for(
      1, "all bytes", [](const test::SeenRequest& request) { return request.body_bytes == 1000; });
}

TEST_CASE("RFC 9113, 5.1.2: streams beyond the limit are refused, not the connection",
          "[conformance]") {
  constexpr std::uint32_t kLimit = 1000;
  test::Listener listener;
  std::uint32_t stream = 1;
  for (std::uint32_t i = 0; i < kLimit; ++i, stream += 2) {
    listener.raw.send_headers(stream, test::good_request(), true);
  }
  listener.path.router.wait_metric("nodeway_streams_open", kLimit);

  listener.raw.send_headers(stream, test::good_request(), true);

  // REFUSED_STREAM, so that the client may send it again; PROTOCOL_ERROR is the RFC's other choice.
  auto answer = listener.raw.read();
  while (answer && answer->type != FrameType::rst_stream && answer->type != FrameType::go_away) {
    answer = listener.raw.read();
  }
  REQUIRE(answer);
  CHECK((answer->error_code() == test::kProtocolError || answer->error_code() == 7));
  CHECK(listener.path.router.metric("nodeway_limit_hits_total", {{"limit", "client_streams"}}) >=
        1);
}
