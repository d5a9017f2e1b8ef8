// SPDX-License-Identifier: Apache-2.0
// What a hostile client can do on its connection ends there, is counted, and does not reach others.
#include "tests/integration/one_service.hpp"
#include "tests/support/raw_h2.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using test::Frame;
using test::FrameType;

namespace {

constexpr std::uint32_t kProtocolError = 1;      // RFC 9113 section 7
constexpr std::uint32_t kCancel = 8;             // ditto
constexpr std::uint32_t kEnhanceYourCalm = 11;   // ditto
constexpr std::uint16_t kInitialWindowSize = 4;  // RFC 9113 section 6.5.2

/// How long a call of a well-behaved client may take. Sanitizers make all of it slower.
std::chrono::milliseconds longest_call() {
  return test::is_sanitized() ? 5s : 1s;
}

constexpr std::uint32_t kWatchBytes = 10;

/// Answers at once, except what asks for much, to be held, or to watch what never changes.
test::Script answers_on_demand() {
  return {.answer = [](const test::SeenRequest& request) {
    const std::string path = request.header(":path").value_or("");
    if (path == "/watch") {
      return test::Answer{.body = std::string(kWatchBytes, 'w'), .at_head = true, .open_end = true};
    }
    return test::Answer{
        .body = "ok", .filler_bytes = path == "/much" ? 1U << 30U : 0, .held = path == "/held"};
  }};
}

/// Another pod, that is, another address than the attacker's: it calls again and again, on a
/// connection and a thread of its own.
class Bystander {
 public:
  explicit Bystander(std::uint16_t port) : thread_{[this, port] { call(port); }} {}
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() { stop(); }

  /// Ends its calls; then the figures may be read.
  void stop() {
    is_over_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  int calls = 0;
  std::chrono::nanoseconds slowest{0};
  std::string failure;  ///< what ended its calls early

 private:
  void call(std::uint16_t port) {
    try {
      test::H2Client client{port, {.from = "127.0.0.2"}};
      while (!is_over_) {
        const auto began_at = test::SteadyClock::now();
        const test::Reply reply = client.get("cart.shop", "/");
        slowest = std::max(slowest, std::chrono::nanoseconds{test::SteadyClock::now() - began_at});
        ++calls;
        if (reply.status != 200) {
          throw test::Failure{"a call got " + std::to_string(reply.status)};
        }
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
  }

  std::atomic<bool> is_over_ = false;
  std::thread thread_;  ///< last: it uses the others
};

void check(Bystander& bystander) {
  bystander.stop();
  INFO(bystander.failure);
  CHECK(bystander.failure.empty());
  CHECK(bystander.calls > 0);
  CHECK(bystander.slowest < longest_call());
}

std::string bytes_of(const Frame& frame) {
  return test::frame_bytes(frame);
}

std::string repeated(const std::string& text, int n) {
  std::string all;
  for (int i = 0; i < n; ++i) {
    all += text;
  }
  return all;
}

std::string request(std::uint32_t stream, std::uint8_t flags, const std::string& path = "/held") {
  return bytes_of({.type = FrameType::headers,
                   .flags = flags,
                   .stream = stream,
                   .payload = test::hpack(test::request_headers("POST", "cart.shop", path))});
}

std::string setting(std::uint16_t id, std::uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id & 0xff)} + test::u32(value);
}

struct Attack {
  std::string name;
  std::string limit;                          ///< label of nodeway_limit_hits_total
  std::string first;                          ///< after the handshake
  std::function<std::string(int)> and_again;  ///< the n-th time
};

/// The n-th time, a hundred streams that nobody has used yet, from 3 on.
template <class OnStream>
std::string on_streams(int n, OnStream on_stream) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) {
    bytes += on_stream(static_cast<std::uint32_t>(3 + 2 * (100 * n + i)));
  }
  return bytes;
}

std::vector<Attack> floods() {
  using test::kEndHeaders;
  const auto flood_of = [](const Frame& frame) {
    return [frame](int) { return repeated(bytes_of(frame), 100); };
  };
  const std::string open = request(1, kEndHeaders);
  return {
      {"SETTINGS", "control_frames", "", flood_of({.type = FrameType::settings})},
      {"PING",
       "control_frames",
       "",
       flood_of({.type = FrameType::ping, .payload = std::string(8, 'x')})},
      {"PRIORITY",
       "control_frames",
       "",
       flood_of({.type = FrameType::priority, .stream = 9, .payload = std::string(5, '\0')})},
      {"WINDOW_UPDATE",
       "control_frames",
       "",
       flood_of({.type = FrameType::window_update, .payload = test::u32(1)})},
      {"empty DATA", "control_frames", open, flood_of({.type = FrameType::data, .stream = 1})},
      {"CONTINUATION",
       "continuations",
       request(1, 0),
       flood_of({.type = FrameType::continuation, .stream = 1})},
      {"resets of the router's own (CVE-2025-8671)",
       "stream_faults",
       "",
       [](int n) {
         return on_streams(n, [](std::uint32_t stream) {
           return repeated(request(stream, kEndHeaders), 2);  // trailers that do not end it
         });
       }},
  };
}

/// Sends until the router has closed the connection; whether it did so in time.
bool is_cut_off(test::RawH2& raw, const Attack& attack) {
  const test::Deadline deadline{"the attacker to be cut off", 30s};
  try {
    raw.send(attack.first);
    for (int n = 0; !deadline.has_passed(); ++n) {
      raw.send(attack.and_again(n));
    }
  } catch (const test::Failure&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("nodeway: a flood ends its own connection, and nobody else's",
          "[integration][attack][promise]") {
  for (const Attack& attack : floods()) {
    CAPTURE(attack.name);
    test::OneService path{answers_on_demand()};
    Bystander bystander{path.router.listen_port()};
    test::RawH2 raw{path.router.listen_port()};
    raw.shake_hands();

    CHECK(is_cut_off(raw, attack));

    path.router.wait_metric("nodeway_limit_hits_total", 1, {{"limit", attack.limit}});
    check(bystander);
    path.upstream.wait_until_open(0);  // what it had asked for is asked for no more
  }
}

TEST_CASE("nodeway: a client that takes no limit on streams, and reads nothing, is cut off",
          "[integration][attack]") {
  test::OneService path{answers_on_demand()};
  Bystander bystander{path.router.listen_port()};
  test::RawH2 raw{path.router.listen_port()};
  const Attack attack{
      .name = "HEADERS",
      .limit = "stream_refusals",
      .first = std::string{test::kPreface} + bytes_of({.type = FrameType::settings}),
      .and_again = [](int n) {
        return on_streams(n, [](std::uint32_t stream) {
          return request(stream, test::kEndHeaders | test::kEndStream);
        });
      }};

  CHECK(is_cut_off(raw, attack));

  path.router.wait_metric("nodeway_limit_hits_total", 1, {{"limit", attack.limit}});
  check(bystander);
  path.upstream.wait_until_open(0);
}

TEST_CASE("nodeway: trailers that unpack to too much end their request", "[integration][attack]") {
  constexpr std::size_t kValueBytes = 3'900;  // see the next case
  test::OneService path{answers_on_demand()};
  test::RawH2 raw{path.router.listen_port()};
  raw.shake_hands();
  raw.send(request(1, test::kEndHeaders));
  path.upstream.wait_for_request(1);

  raw.send(Frame{.type = FrameType::headers,
                 .flags = test::kEndHeaders | test::kEndStream,
                 .stream = 1,
                 .payload = '\x40' + test::hpack({{"x", std::string(kValueBytes, 'b')}}).substr(1) +
                            std::string(20, '\xbe')});  // 80 KB

  CHECK(raw.expect_stream_error(1) == kProtocolError);
  CHECK(raw.is_alive());
  path.upstream.wait_until_open(0);
  CHECK(path.upstream.requests().front().trailers.empty());
  CHECK(path.upstream.requests().front().reset_code == kCancel);
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "header_list_bytes"}}) == 1);
}

TEST_CASE("nodeway: rapid resets (CVE-2023-44487) hurt nobody else",
          "[integration][attack][promise]") {
  constexpr int kRounds = 300;  // of a hundred: beyond the burst that is let pass
  test::OneService path{answers_on_demand()};
  Bystander bystander{path.router.listen_port()};
  test::RawH2 raw{path.router.listen_port()};
  raw.shake_hands();

  bool is_over = false;
  for (int n = 0; n < kRounds && !is_over; ++n) {
    try {
      raw.send(on_streams(n, [](std::uint32_t stream) {
        return request(stream, test::kEndHeaders) + bytes_of({.type = FrameType::rst_stream,
                                                              .stream = stream,
                                                              .payload = test::u32(kCancel)});
      }));
    } catch (const test::Failure&) {
      is_over = true;
    }
  }

  // A slow build never gets beyond the rate; session_test.cpp shows the limit for sure.
  if (!test::is_sanitized()) {
    path.router.wait_metric("nodeway_limit_hits_total", 1, {{"limit", "stream_resets"}});
  }
  check(bystander);
}

TEST_CASE("nodeway: a header block that unpacks to too much costs its request, or its connection",
          "[integration][attack][promise]") {
  constexpr std::size_t kValueBytes = 3'900;  // with its overhead, nearly all of HPACK's table
  test::OneService path{answers_on_demand()};
  Bystander bystander{path.router.listen_port()};
  // RFC 7541 section 6.2.1: a literal that enters the table, where it is entry 62 from then on.
  const std::string head = test::hpack(test::request_headers("GET", "cart.shop", "/")) + '\x40' +
                           test::hpack({{"x", std::string(kValueBytes, 'b')}}).substr(1);
  const auto bomb = [&head](std::size_t n_references) {
    return Frame{.type = FrameType::headers,
                 .flags = test::kEndHeaders | test::kEndStream,
                 .stream = 1,
                 .payload = head + std::string(n_references, '\xbe')};
  };
  test::RawH2 mistaken{path.router.listen_port()};
  mistaken.shake_hands();
  test::RawH2 hostile{path.router.listen_port()};
  hostile.shake_hands();

  mistaken.send(bomb(20));     // 80 KB
  hostile.send(bomb(10'000));  // 40 MB

  CHECK(hostile.expect_connection_error() == kEnhanceYourCalm);
  CHECK(mistaken.is_alive());
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "header_list_bytes"}}) == 2);
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "headers_too_large"}}) == 1);
  check(bystander);
}

TEST_CASE("nodeway: clients that stall are given up, those that only wait are not",
          "[integration][attack]") {
  constexpr auto kStallPatience = 45s;  // with what is given up after 30 s
  test::OneService path{answers_on_demand()};
  Bystander bystander{path.router.listen_port()};
  const std::uint16_t port = path.router.listen_port();
  const std::string no_window =
      bytes_of({.type = FrameType::settings, .payload = setting(kInitialWindowSize, 0)});

  test::RawH2 used_up{port};
  used_up.shake_hands();
  used_up.send(
      bytes_of({.type = FrameType::settings, .payload = setting(kInitialWindowSize, kWatchBytes)}) +
      request(1, test::kEndHeaders | test::kEndStream, "/watch"));
  test::RawH2 half_preface{port};
  half_preface.send(test::kPreface.substr(0, 10));
  test::RawH2 slow_head{port};
  slow_head.shake_hands();
  slow_head.send(request(1, 0));
  test::RawH2 zero_window{port};
  zero_window.shake_hands();
  zero_window.send(no_window + request(1, test::kEndHeaders | test::kEndStream, "/much"));
  test::RawH2 one_of_two{port};
  one_of_two.shake_hands();
  one_of_two.send(no_window + request(1, test::kEndHeaders | test::kEndStream, "/much") +
                  request(3, test::kEndHeaders | test::kEndStream, "/much"));
  test::RawH2 waiting{port};
  waiting.shake_hands();
  waiting.send(request(1, test::kEndHeaders));

  path.router.wait_metric(
      "nodeway_limit_hits_total", 2, {{"limit", "header_timeout"}}, kStallPatience);
  CHECK(half_preface.expect_connection_error() == kEnhanceYourCalm);
  CHECK(slow_head.expect_connection_error() == kEnhanceYourCalm);
  const test::Deadline deadline{"stalled streams to be given up", kStallPatience};
  while (path.router.metric("nodeway_limit_hits_total", {{"limit", "window_stall"}}) < 2) {
    if (deadline.has_passed()) {
      deadline.fail();
    }
    one_of_two.send({.type = FrameType::window_update, .stream = 3, .payload = test::u32(1)});
    std::this_thread::sleep_for(100ms);
  }

  CHECK(zero_window.expect_connection_error() == kEnhanceYourCalm);
  CHECK(one_of_two.expect_stream_error(1) == kCancel);
  CHECK(one_of_two.is_alive());
  CHECK(waiting.is_alive());
  CHECK(used_up.is_alive());  // its window is closed, and nothing waits for that
  CHECK(path.router.metric("nodeway_limit_hits_total", {{"limit", "window_stall"}}) == 2);
  check(bystander);
}

TEST_CASE("nodeway: a client that never reads is given up", "[integration][attack]") {
  constexpr auto kStallPatience = 60s;  // the kernel's buffers fill first
  test::OneService path{answers_on_demand()};
  Bystander bystander{path.router.listen_port()};
  test::RawH2 raw{path.router.listen_port()};
  raw.shake_hands();

  constexpr std::uint32_t kMost = 0x7fffffff;
  raw.send(bytes_of({.type = FrameType::settings, .payload = setting(kInitialWindowSize, kMost)}) +
           bytes_of({.type = FrameType::window_update, .payload = test::u32(kMost - 65535)}) +
           request(1, test::kEndHeaders | test::kEndStream, "/much"));

  path.router.wait_metric(
      "nodeway_limit_hits_total", 1, {{"limit", "write_stall"}}, kStallPatience);
  path.upstream.wait_until_open(0);
  check(bystander);

  // A window of 1 MiB, and little in the kernel, which by itself would take 4 MiB.
  constexpr std::uint64_t kTaken = 2 << 20;
  const std::vector<test::SeenRequest> seen = path.upstream.requests();
  const auto much = std::find_if(seen.begin(), seen.end(), [](const test::SeenRequest& each) {
    return each.header(":path") == "/much";
  });
  REQUIRE(much != seen.end());
  CHECK(much->reply_bytes < kTaken);
}

TEST_CASE("nodeway: bodies that come byte by byte hurt nobody else, and arrive",
          "[integration][attack][promise]") {
  constexpr std::size_t kStreams = 500;
  constexpr std::size_t kBytes = 20;
  test::OneService path{answers_on_demand()};
  Bystander bystander{path.router.listen_port()};
  std::vector<test::StreamId> slow;
  for (std::size_t i = 0; i < kStreams; ++i) {
    slow.push_back(path.client.open_post("cart.shop", "/"));
  }

  for (std::size_t n = 0; n < kBytes; ++n) {
    for (const test::StreamId stream : slow) {
      path.client.send(stream, "x");
    }
    path.client.pump_for(50ms);
  }

  for (const test::StreamId stream : slow) {
    path.client.end(stream);
    CHECK(path.client.wait(stream).body == "ok");
  }
  CHECK(path.router.metric("nodeway_limit_hits_total") == 0);
  check(bystander);
}
