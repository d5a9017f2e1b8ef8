// SPDX-License-Identifier: Apache-2.0
#include "router/h2/session.hpp"

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace router::h2 {
namespace {

/// One end of a stream that records what it is told and sends what the test gives it.
struct RecordingStream final : StreamEvents {
  void on_field(HeaderField field) override { fields.emplace_back(field.name(), field.value()); }
  void on_fields_end(bool end_stream) override {
    ++blocks;
    ended = ended || end_stream;
  }
  void on_data(std::span<const std::byte> bytes) override {
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void on_end_stream() override { ended = true; }
  void on_sent(bool end_stream) override { sent_end = sent_end || end_stream; }
  void on_stream_closed(std::uint32_t h2_error_code) override { closed = h2_error_code; }
  Pulled pull(std::span<std::byte> into) override {
    const std::size_t n_bytes = std::min(into.size(), to_send.size() - n_sent);
    std::copy_n(reinterpret_cast<const std::byte*>(to_send.data()) + n_sent, n_bytes, into.data());
    n_sent += n_bytes;
    return {n_bytes, n_sent == to_send.size() ? end : BodyState::open};
  }
  const HeaderList& outgoing_trailers() const override { return trailers; }

  StreamId id = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  int blocks = 0;
  std::string data;
  std::size_t n_sent = 0;  ///< of `to_send`
  bool ended = false;
  bool sent_end = false;
  std::optional<std::uint32_t> closed;
  std::string to_send;
  BodyState end = BodyState::ended;
  HeaderList trailers;
};

constexpr TimePoint kStart{};

struct RecordingPeer final : SessionEvents {
  StreamEvents* on_new_stream(StreamId id) override {
    if (refuses) {
      return nullptr;
    }
    streams.emplace_back().id = id;
    return &streams.back();
  }
  void on_settings() override { ++settings; }
  void on_goaway() override { ++goaways; }
  void on_ping_ack() override { ++ping_acks; }
  void on_invalid_frame() override { ++invalid_frames; }
  void on_limit_hit(telemetry::Limit limit) override { limits.push_back(limit); }

  std::list<RecordingStream> streams;
  bool refuses = false;
  int settings = 0;
  int goaways = 0;
  int ping_acks = 0;
  int invalid_frames = 0;
  std::vector<telemetry::Limit> limits;
};

/// With windows that stay as they are.
SessionLimits fixed_windows() {
  SessionLimits limits;
  limits.max_stream_window_bytes = limits.stream_window_bytes;
  return limits;
}

/// A client's and a server's session, joined in memory.
struct Pair {
  explicit Pair(const SessionLimits& its_limits = fixed_windows()) : limits{its_limits} {}

  /// Carries bytes to and fro until neither side has any.
  void settle() {
    for (bool moved = true; moved;) {
      moved = carry(client, server);
      moved = carry(server, client) || moved;
    }
  }
  bool carry(Session& from, Session& to) const {
    bool moved = false;
    for (auto bytes = from.drain(); !bytes.empty(); bytes = from.drain()) {
      const std::vector<std::byte> copy{bytes.begin(), bytes.end()};
      REQUIRE(to.feed(copy, now).has_value());
      moved = true;
    }
    return moved;
  }

  SessionLimits limits;
  TimePoint now = kStart;
  RecordingPeer server_peer;
  RecordingPeer client_peer;
  BufferBudget budget;
  BufferShare buffers;
  Session server{Role::server, limits, server_peer, buffers};
  Session client{Role::client, limits, client_peer, buffers};
};

RequestHead request() {
  RequestHead head;
  head.method = "POST";
  head.scheme = "http";
  head.authority = "cart";
  head.path = "/";
  return head;
}

ReplyHead reply() {
  ReplyHead head;
  head.status = 200;
  return head;
}

}  // namespace

TEST_CASE("Session: a stream that ends in the middle of its head hears no more of it", "[h2]") {
  Pair pair;
  RequestHead head = request();
  const std::string long_value(10'000, 'x');
  for (const char* name : {"x-a", "x-b", "x-c", "x-d"}) {
    head.fields.add_copy(name, long_value);  // more than two frames hold
  }
  pair.settle();
  RecordingStream at_client;
  [[maybe_unused]] const StreamId first = pair.client.submit_request(head, true, at_client);
  std::vector<std::byte> sent;
  for (auto bytes = pair.client.drain(); !bytes.empty(); bytes = pair.client.drain()) {
    sent.insert(sent.end(), bytes.begin(), bytes.end());
  }
  const std::span all{sent};
  const std::size_t half = all.size() / 2;
  REQUIRE(pair.server.feed(all.first(half), pair.now).has_value());
  RecordingStream& at_server = pair.server_peer.streams.front();
  const std::size_t n_fields = at_server.fields.size();
  REQUIRE(n_fields > 0);
  REQUIRE(at_server.blocks == 0);

  pair.server.reset(at_server.id, Reset::cancel);
  pair.carry(pair.server, pair.client);
  REQUIRE(at_server.closed);
  REQUIRE(pair.server.feed(all.subspan(half), pair.now).has_value());

  CHECK(at_server.fields.size() == n_fields);
  CHECK(at_server.blocks == 0);
  const RequestHead next = request();
  RecordingStream next_at_client;
  [[maybe_unused]] const StreamId second = pair.client.submit_request(next, true, next_at_client);
  pair.settle();
  REQUIRE(pair.server_peer.streams.size() == 2);
  CHECK(pair.server_peer.streams.back().ended);
}

TEST_CASE("Session: a request with body and a reply with trailers arrive as they were sent",
          "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream at_client;
  at_client.to_send = "ping";
  const StreamId id = pair.client.submit_request(head, false, at_client);
  pair.settle();
  REQUIRE(pair.server_peer.streams.size() == 1);
  RecordingStream& at_server = pair.server_peer.streams.front();
  CHECK(at_server.fields.front() == std::pair<std::string, std::string>{":method", "POST"});
  CHECK(at_server.data == "ping");
  CHECK(at_server.ended);

  at_server.to_send = "pong";
  at_server.end = BodyState::trailers;
  at_server.trailers.add({"grpc-status", "0"});
  const ReplyHead answer = reply();
  pair.server.submit_reply(id, answer, false);
  pair.settle();

  CHECK(at_client.data == "pong");
  CHECK(at_client.blocks == 2);
  CHECK(at_client.fields.back() == std::pair<std::string, std::string>{"grpc-status", "0"});
  CHECK(at_client.closed == NGHTTP2_NO_ERROR);
  CHECK(at_server.sent_end);
  CHECK(at_server.closed == NGHTTP2_NO_ERROR);
}

TEST_CASE("Session: a field that no message may have ends its stream, and is not left out",
          "[h2]") {
  Pair pair;
  RequestHead head = request();
  const auto& [name, value] =
      GENERATE(table<std::string, std::string>({{"x-note", "a\x01z"},
                                                {"x-note", std::string{"a\0z", 3}},
                                                {"x note", "a"},
                                                {"x-\x7f", "a"}}));
  head.fields.add_copy(name, value);
  RecordingStream at_client;

  [[maybe_unused]] const StreamId id = pair.client.submit_request(head, true, at_client);
  pair.settle();

  CHECK(at_client.closed == NGHTTP2_PROTOCOL_ERROR);
  REQUIRE(pair.server_peer.streams.size() == 1);
  CHECK_FALSE(pair.server_peer.streams.front().ended);
}

TEST_CASE("Session: spaces at the ends of a field's value are part of it", "[h2]") {
  Pair pair;
  RequestHead head = request();
  head.fields.add_copy("grpc-message", " ends with a space ");
  RecordingStream at_client;

  [[maybe_unused]] const StreamId id = pair.client.submit_request(head, true, at_client);
  pair.settle();

  REQUIRE(pair.server_peer.streams.size() == 1);
  CHECK(pair.server_peer.streams.front().fields.back().second == " ends with a space ");
}

TEST_CASE("Session: tells of what copies it holds of fields, until their frames are out", "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream at_client;
  const StreamId id = pair.client.submit_request(head, true, at_client);
  pair.settle();
  REQUIRE(pair.server_peer.streams.size() == 1);
  ReplyHead hints;
  hints.status = 103;
  hints.fields.add_copy("link", std::string(20'000, 'x'));
  ReplyHead answer = reply();
  answer.fields.add({"x-kept", "by its owner"});

  pair.server.submit_informational(id, hints);
  pair.server.submit_informational(id, hints);
  CHECK(pair.server.n_copied_bytes() == 2 * size_of(hints.fields));
  const bool is_reset = GENERATE(false, true);
  CAPTURE(is_reset);
  if (is_reset) {
    pair.client.reset(id, Reset::cancel);
    pair.carry(pair.client, pair.server);
    CHECK(pair.server_peer.streams.front().closed == NGHTTP2_CANCEL);
    CHECK(pair.server.n_copied_bytes() == 2 * size_of(hints.fields));
  } else {
    RecordingStream& at_server = pair.server_peer.streams.front();
    at_server.end = BodyState::trailers;
    at_server.trailers.add({"grpc-status", "0"});
    pair.server.submit_reply(id, answer, false);
    CHECK(pair.server.n_copied_bytes() == 2 * size_of(hints.fields));
  }
  pair.settle();

  CHECK(pair.server.n_copied_bytes() == 0);
  CHECK(at_client.blocks == (is_reset ? 0 : 4));
}

TEST_CASE("Session: a sender stops at the stream's window until bytes are consumed", "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream at_client;
  at_client.to_send.assign(300'000, 'x');
  const StreamId id = pair.client.submit_request(head, false, at_client);
  pair.settle();
  RecordingStream& at_server = pair.server_peer.streams.front();
  CHECK(at_server.data.size() == pair.limits.stream_window_bytes);

  pair.server.consume(id, at_server.data.size());
  pair.settle();

  CHECK(at_server.data.size() == 2 * std::size_t{pair.limits.stream_window_bytes});
}

TEST_CASE("Session: a stalled stream holds back no other on its connection", "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream stalled;
  stalled.to_send.assign(300'000, 'x');
  RecordingStream running;
  running.to_send.assign(300'000, 'y');
  (void)pair.client.submit_request(head, false, stalled);
  const StreamId id = pair.client.submit_request(head, false, running);
  pair.settle();
  RecordingStream& at_server = pair.server_peer.streams.back();

  for (std::size_t n_consumed = 0; n_consumed < at_server.data.size();) {
    pair.server.consume(id, at_server.data.size() - n_consumed);
    n_consumed = at_server.data.size();
    pair.settle();
  }

  CHECK(at_server.data.size() == 300'000);
  CHECK(at_server.ended);
  CHECK(pair.server_peer.streams.front().data.size() == pair.limits.stream_window_bytes);
}

namespace {

/// A request whose body never ends, over a way of 20 ms.
struct LongUpload {
  LongUpload() { at_client.to_send.assign(64 << 20, 'x'); }

  /// Round trips in which the server takes all that has come.
  void pass(int n_round_trips) {
    for (int n = 0; n < n_round_trips; ++n) {
      pair.now += std::chrono::milliseconds{10};
      pair.carry(pair.client, pair.server);
      RecordingStream& stream = pair.server_peer.streams.front();
      pair.server.consume(id, stream.data.size());
      stream.data.clear();
      pair.now += std::chrono::milliseconds{10};
      pair.carry(pair.server, pair.client);
    }
  }
  /// What the client sends while the server takes nothing.
  std::size_t stall() {
    pair.settle();
    return pair.server_peer.streams.front().data.size();
  }

  /// But for what the first window, of 65,535 bytes, was short of.
  [[nodiscard]] bool is_at_most(std::size_t window_bytes) const {
    return window_bytes <= pair.limits.max_stream_window_bytes &&
           window_bytes >= pair.limits.max_stream_window_bytes - 64;
  }

  Pair pair{SessionLimits{}};
  RequestHead head = request();
  RecordingStream at_client;
  StreamId id = pair.client.submit_request(head, false, at_client);
};

}  // namespace

TEST_CASE("Session: on a long way a stream's window grows while its bytes are taken", "[h2]") {
  LongUpload upload;

  upload.pass(20);

  CHECK(upload.is_at_most(upload.stall()));
}

TEST_CASE("Session: a stream whose bytes are not taken keeps the window of its beginning", "[h2]") {
  LongUpload upload;
  upload.pass(10);
  const RequestHead head = request();
  RecordingStream stalled;
  stalled.to_send.assign(4 << 20, 'y');

  (void)upload.pair.client.submit_request(head, false, stalled);
  upload.pass(10);

  CHECK(upload.pair.server_peer.streams.back().data.size() ==
        upload.pair.limits.stream_window_bytes);
}

TEST_CASE("Session: under pressure a window that has grown is not given again", "[h2]") {
  LongUpload upload;
  upload.pass(10);

  upload.pair.server.set_pressure(Pressure::high);
  upload.pass(20);

  CHECK(upload.stall() == upload.pair.limits.stream_window_bytes);
  upload.pair.server.set_pressure(Pressure::none);
  upload.pass(20);
  CHECK(upload.is_at_most(upload.stall()));
}

TEST_CASE("Session: a window does not grow beyond what all may have grown by", "[h2]") {
  LongUpload upload;
  upload.pair.buffers.join(upload.pair.budget);
  REQUIRE(upload.pair.buffers.grow(BufferBudget::kMaxGrownBytes));

  upload.pass(20);
  CHECK(upload.stall() == upload.pair.limits.stream_window_bytes);
  CHECK(upload.pair.server_peer.limits ==
        std::vector{telemetry::Limit::window_growth});  // once, not each time

  upload.pair.buffers.shrink(BufferBudget::kMaxGrownBytes);
  upload.pass(20);
  CHECK(upload.stall() > upload.pair.limits.stream_window_bytes);
  CHECK(upload.pair.budget.grown.read() > 0);
  upload.pair.client.reset(upload.id, Reset::cancel);
  upload.pair.settle();
  CHECK(upload.pair.budget.grown.read() == 0);
}

TEST_CASE("Session: at the limit windows are narrow, and streams go on", "[h2]") {
  LongUpload upload;
  upload.pass(10);

  upload.pair.server.set_pressure(Pressure::full);
  upload.pass(20);

  CHECK(upload.stall() == BufferBudget::kNarrowWindow);
  const RequestHead head = request();
  RecordingStream other;
  other.to_send.assign(100'000, 'y');
  const StreamId id = upload.pair.client.submit_request(head, false, other);
  upload.pair.settle();
  RecordingStream& at_server = upload.pair.server_peer.streams.back();
  CHECK(at_server.data.size() == BufferBudget::kNarrowWindow);
  for (std::size_t n_consumed = 0; n_consumed < at_server.data.size();) {
    upload.pair.server.consume(id, at_server.data.size() - n_consumed);
    n_consumed = at_server.data.size();
    upload.pair.settle();
  }
  CHECK(at_server.data.size() == 100'000);
  upload.pair.server.set_pressure(Pressure::none);
  upload.pass(20);
  CHECK(upload.is_at_most(upload.stall()));
}

TEST_CASE("Session: a reset reaches the other side with its code", "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream at_client;
  at_client.end = BodyState::open;
  const StreamId id = pair.client.submit_request(head, false, at_client);
  pair.settle();

  pair.client.reset(id, Reset::cancel);
  pair.settle();

  CHECK(pair.server_peer.streams.front().closed == NGHTTP2_CANCEL);
}

TEST_CASE("Session: a stream that the server does not want is refused, which is safe to repeat",
          "[h2]") {
  Pair pair;
  pair.server_peer.refuses = true;
  const RequestHead head = request();
  RecordingStream at_client;

  (void)pair.client.submit_request(head, true, at_client);
  pair.settle();

  CHECK(at_client.closed == NGHTTP2_REFUSED_STREAM);
}

TEST_CASE("Session: a shutdown is announced, waits a round trip, and lets open streams end",
          "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream open;
  open.end = BodyState::open;
  const StreamId id = pair.client.submit_request(head, false, open);
  pair.settle();

  pair.server.announce_shutdown();
  pair.settle();
  CHECK(pair.client_peer.goaways == 1);
  CHECK(pair.server_peer.ping_acks == 1);
  pair.server.finish();
  pair.settle();
  CHECK(pair.client_peer.goaways == 2);
  CHECK_FALSE(open.closed.has_value());
  CHECK_FALSE(pair.server.is_finished());

  const ReplyHead answer = reply();
  pair.server.submit_reply(id, answer, true);
  open.end = BodyState::ended;
  pair.client.resume(id);
  pair.settle();
  CHECK(open.closed == NGHTTP2_NO_ERROR);
  CHECK(pair.server.is_finished());
}

TEST_CASE("Session: a stream that comes after the last id was chosen is refused", "[h2]") {
  Pair pair;
  const RequestHead head = request();
  RecordingStream early;
  RecordingStream late;
  static_cast<void>(pair.client.submit_request(head, true, early));
  pair.settle();

  pair.server.finish();
  static_cast<void>(pair.client.submit_request(head, true, late));
  pair.carry(pair.client, pair.server);  // before the GOAWAY is on its way
  pair.settle();

  CHECK(pair.server_peer.streams.size() == 1);
  CHECK(late.closed == NGHTTP2_REFUSED_STREAM);
  CHECK_FALSE(early.closed);
}

TEST_CASE("Session: the PING of a shutdown follows its notice", "[h2]") {
  Pair pair;
  pair.settle();
  std::vector<std::uint8_t> frame_types;

  pair.server.announce_shutdown();
  for (auto bytes = pair.server.drain(); !bytes.empty(); bytes = pair.server.drain()) {
    frame_types.push_back(std::to_integer<std::uint8_t>(bytes[3]));
  }

  CHECK(frame_types == std::vector<std::uint8_t>{NGHTTP2_GOAWAY, NGHTTP2_PING});
}

TEST_CASE("Session: the peer's limit on streams is known once its SETTINGS have come", "[h2]") {
  Pair pair;
  pair.settle();

  CHECK(pair.client_peer.settings == 1);
  CHECK(pair.client.peer_max_streams() == pair.limits.max_concurrent_streams);
}

TEST_CASE("Session: bytes that are no HTTP/2 are an error at once", "[h2]") {
  Pair pair;
  const std::string text = "GET / HTTP/1.1\r\nhost: cart\r\n\r\n";

  CHECK(pair.server.feed(std::as_bytes(std::span{text}), kStart).has_error());
}

namespace {

constexpr std::size_t kFrameHeadBytes = 9;

std::vector<std::byte> frame(std::uint8_t type,
                             std::uint8_t flags,
                             StreamId stream,
                             const std::vector<std::uint8_t>& payload = {}) {
  std::vector<std::byte> bytes(kFrameHeadBytes);
  bytes[1] = std::byte(payload.size() >> 8U);
  bytes[2] = std::byte(payload.size() & 0xffU);
  bytes[3] = std::byte{type};
  bytes[4] = std::byte{flags};
  bytes[7] = std::byte(static_cast<unsigned>(stream) >> 8U);
  bytes[8] = std::byte(static_cast<unsigned>(stream) & 0xffU);
  for (const std::uint8_t each : payload) {
    bytes.push_back(std::byte{each});
  }
  return bytes;
}

/// A server's session whose client is the test, frame by frame.
struct RawClient {
  explicit RawClient(const SessionLimits& its_limits = {}) : limits{its_limits} {
    const std::string preface = NGHTTP2_CLIENT_MAGIC;
    send(std::as_bytes(std::span{preface}));
    send(frame(NGHTTP2_SETTINGS, 0, 0));
    settle();
  }
  void send(std::span<const std::byte> bytes) { REQUIRE(session.feed(bytes, now).has_value()); }
  /// GET http://x/ with HPACK's static table.
  void request(StreamId stream, std::uint8_t flags = NGHTTP2_FLAG_END_STREAM) {
    const std::uint8_t end_headers = NGHTTP2_FLAG_END_HEADERS;
    send(frame(NGHTTP2_HEADERS,
               static_cast<std::uint8_t>(flags | end_headers),
               stream,
               {0x82, 0x86, 0x84, 0x41, 0x01, 'x'}));
  }
  /// Takes what the session writes; notes the code of a GOAWAY.
  void settle() {
    for (auto bytes = session.drain(); !bytes.empty(); bytes = session.drain()) {
      for (; bytes.size() >= kFrameHeadBytes; bytes = bytes.subspan(whole(bytes))) {
        if (bytes[3] == std::byte{NGHTTP2_GOAWAY}) {
          goaway = std::to_integer<std::uint32_t>(bytes[kFrameHeadBytes + 7]);
        }
      }
    }
  }
  static std::size_t whole(std::span<const std::byte> bytes) {
    return kFrameHeadBytes + (std::to_integer<std::size_t>(bytes[1]) << 8U) +
           std::to_integer<std::size_t>(bytes[2]);
  }

  SessionLimits limits;
  RecordingPeer peer;
  BufferShare buffers;
  Session session{Role::server, limits, peer, buffers};
  TimePoint now = kStart;
  std::optional<std::uint32_t> goaway;
};

}  // namespace

TEST_CASE(
    "Session: streams beyond the limit are refused, and a client that never learns is cut off",
    "[h2]") {
  RawClient client;  // acknowledges nothing
  StreamId next = 1;
  const auto open = [&](std::uint32_t n_streams) {
    for (; n_streams > 0; --n_streams, next += 2) {
      client.request(next);
    }
  };

  open(client.limits.max_concurrent_streams + client.limits.conduct.refusals.burst);
  CHECK(client.peer.streams.size() == client.limits.max_concurrent_streams);
  CHECK(client.peer.limits.empty());  // honest, if its SETTINGS were on their way
  open(1);
  client.settle();

  CHECK(client.peer.limits == std::vector{telemetry::Limit::stream_refusals});
  CHECK(client.goaway == NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_CASE("Session: a client that reads none of what it asks for is cut off", "[h2]") {
  SessionLimits limits;
  limits.max_outbound_frames = 100;
  RawClient client{limits};
  const ReplyHead answer = reply();
  const auto ask_and_leave = [&](StreamId stream) {
    client.request(stream);
    client.session.submit_reply(stream, answer, true);
    return client.session.feed(frame(NGHTTP2_RST_STREAM, 0, stream, {0, 0, 0, NGHTTP2_CANCEL}),
                               client.now);
  };
  StreamId next = 1;
  for (std::size_t n = 0; n < limits.max_outbound_frames; ++n, next += 2) {
    REQUIRE(ask_and_leave(next).has_value());
  }
  CHECK(client.peer.limits.empty());

  CHECK(ask_and_leave(next).has_error());

  CHECK(client.peer.limits == std::vector{telemetry::Limit::outbound_frames});
}

TEST_CASE("Session: HEADERS on a stream that was passed over end the connection", "[h2]") {
  RawClient client;
  client.request(5);

  client.request(3);
  client.settle();

  CHECK(client.goaway == NGHTTP2_PROTOCOL_ERROR);
  CHECK(client.peer.streams.size() == 1);
}

TEST_CASE("Session: frames on a stream that its client has ended end the connection", "[h2]") {
  const bool by_reset = GENERATE(false, true);
  const std::uint8_t type = GENERATE(as<std::uint8_t>{}, NGHTTP2_DATA, NGHTTP2_HEADERS);
  RawClient client;
  client.request(1, by_reset ? 0 : NGHTTP2_FLAG_END_STREAM);
  if (by_reset) {
    client.send(frame(NGHTTP2_RST_STREAM, 0, 1, {0, 0, 0, NGHTTP2_CANCEL}));
  } else {
    const ReplyHead answer = reply();
    client.session.submit_reply(1, answer, true);
  }
  client.settle();
  REQUIRE(client.peer.streams.front().closed);

  type == NGHTTP2_DATA ? client.send(frame(NGHTTP2_DATA, 0, 1, {'x'})) : client.request(1);
  client.settle();

  CHECK(client.goaway == NGHTTP2_STREAM_CLOSED);
}

TEST_CASE("Session: late frames on a stream that the router reset are ignored", "[h2]") {
  RawClient client;
  client.request(1, 0);
  client.session.reset(1, Reset::cancel);
  client.settle();

  client.send(frame(NGHTTP2_DATA, 0, 1, {'x'}));
  client.request(1);  // trailers
  client.settle();

  CHECK_FALSE(client.goaway);
  CHECK(client.peer.limits.empty());
}

TEST_CASE("Session: control frames are taken at their rate, and beyond it end the connection",
          "[h2]") {
  const std::uint8_t type = GENERATE(as<std::uint8_t>{},
                                     NGHTTP2_SETTINGS,
                                     NGHTTP2_PING,
                                     NGHTTP2_PRIORITY,
                                     NGHTTP2_WINDOW_UPDATE,
                                     NGHTTP2_DATA,
                                     0x42);
  CAPTURE(int{type});
  const std::vector<std::uint8_t> payload =
      type == NGHTTP2_PING            ? std::vector<std::uint8_t>(8)
      : type == NGHTTP2_PRIORITY      ? std::vector<std::uint8_t>{0, 0, 0, 0, 1}
      : type == NGHTTP2_WINDOW_UPDATE ? std::vector<std::uint8_t>{0, 0, 0, 1}
                                      : std::vector<std::uint8_t>{};
  const StreamId stream = type == NGHTTP2_DATA || type == NGHTTP2_PRIORITY ? 1 : 0;
  RawClient client;
  client.request(1, 0);
  const auto send_many = [&](std::uint32_t n) {
    for (std::uint32_t i = 0; i < n && !client.goaway; ++i) {
      client.send(frame(type, 0, stream, payload));
      client.settle();
    }
  };
  const TokenBucket::Rate rate = client.limits.conduct.control_frames;

  send_many(rate.burst - 1);  // the greeting's SETTINGS took one
  client.now += std::chrono::seconds{1};
  send_many(rate.per_second);
  CHECK_FALSE(client.goaway);
  send_many(1);

  CHECK(client.goaway == NGHTTP2_ENHANCE_YOUR_CALM);
  CHECK(client.peer.limits == std::vector{telemetry::Limit::control_frames});
  CHECK(client.session.is_finished());
}

TEST_CASE("Session: what the router sends gives its peer control frames to answer with", "[h2]") {
  RawClient client;
  const std::uint32_t n_calls = 2 * client.limits.conduct.control_frames.burst;
  const ReplyHead answer = reply();

  for (StreamId id = 1; id < static_cast<StreamId>(2 * n_calls); id += 2) {
    client.request(id);
    client.session.submit_reply(id, answer, true);
    client.settle();
    for (int i = 0; i < 10; ++i) {
      client.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, {0, 0, 0, 1}));
    }
  }

  CHECK_FALSE(client.goaway);
}

TEST_CASE("Session: a client whose faults make the router reset streams is given up", "[h2]") {
  RawClient client;
  const std::uint32_t burst = client.limits.conduct.faults.burst;
  const auto reset_itself = [&](StreamId id) {
    client.request(id, 0);
    client.request(id, 0);  // trailers that do not end the request: the stream's error (8.1)
    client.settle();
  };

  StreamId id = 1;
  for (std::uint32_t i = 0; i < burst; ++i, id += 2) {
    reset_itself(id);
  }
  CHECK_FALSE(client.goaway);
  for (int i = 0; i < 20 && !client.goaway; ++i, id += 2) {
    reset_itself(id);
  }

  CHECK(client.goaway == NGHTTP2_ENHANCE_YOUR_CALM);
  CHECK(client.peer.limits.size() == 1);
}

TEST_CASE("Session: streams that its client resets too fast end the connection", "[h2]") {
  RawClient client;

  StreamId id = 1;
  for (std::uint64_t i = 0; i < 2 * client.limits.reset_burst && !client.goaway; ++i, id += 2) {
    client.request(id, 0);
    client.send(frame(NGHTTP2_RST_STREAM, 0, id, {0, 0, 0, NGHTTP2_CANCEL}));
    client.settle();
  }

  CHECK(client.goaway);
  CHECK(client.peer.limits == std::vector{telemetry::Limit::stream_resets});
}

}  // namespace router::h2
