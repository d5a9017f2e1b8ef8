// SPDX-License-Identifier: Apache-2.0
#include "router/h2/server_connection.hpp"

#include "tests/router/h1/scripted_caller.hpp"
#include "tests/router/loopback.hpp"
#include "tests/support/raw_h2.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

using router::ReplyHead;
using router::h2::ServerConnection;
using router::telemetry::Limit;
using test::FrameType;
using Exchange = test::ScriptedExchange;

namespace {

/// Of an informational head's text.
constexpr std::size_t kEach = 20'000;
/// What the connection has taken of its session for a socket that takes no more: whole frames.
constexpr std::size_t kMostOutput = router::OutputBuffer::kBytes + 16 * std::size_t{1024};

ReplyHead hints() {
  ReplyHead head;
  head.status = 103;
  head.fields.add_copy("link", std::string(kEach, 'x'));
  return head;
}

/// A client that speaks frame by frame, its connection, and the exchanges that its requests become.
class Client final : public router::RequestAcceptor {
 public:
  Client() {
    connection = std::make_unique<ServerConnection>(
        loopback.loop(), loopback.accept_for_router(), *this, router::h2::SessionLimits{});
    connection->start(std::span<const std::byte>{});
    peer.send(std::string{test::kPreface} + test::frame_bytes({.type = FrameType::settings}));
  }

  router::ClientEvents& begin(router::ClientStream& stream,
                              router::RequestHead head,
                              bool end,
                              router::CallerProtocol /*protocol*/) override {
    return exchanges.emplace_back(stream, std::move(head), end);
  }
  void on_unreadable_request(router::Errc /*reason*/) override {}
  void on_switched_to_h2(router::Disposable& /*connection*/,
                         router::SwitchedConnection /*switched*/) override {}
  void on_connection_closed(router::Disposable& /*closed*/) override {
    loopback.loop().destroy_later(std::move(connection));
  }

  Exchange& get(std::uint32_t stream) {
    const std::size_t n_before = exchanges.size();
    peer.send(test::frame_bytes({.type = FrameType::headers,
                                 .flags = test::kEndStream | test::kEndHeaders,
                                 .stream = stream,
                                 .payload = test::hpack({{":method", "GET"},
                                                         {":scheme", "http"},
                                                         {":authority", "cart.shop"},
                                                         {":path", "/"}})}));
    loopback.run_until([&] { return exchanges.size() > n_before; });
    return exchanges.back();
  }
  void reset(std::uint32_t stream) {
    constexpr std::uint32_t kCancel = 8;  // RFC 9113 section 7
    peer.send(test::frame_bytes(
        {.type = FrameType::rst_stream, .stream = stream, .payload = test::u32(kCancel)}));
    loopback.settle();
  }

  /// The endpoint sends informational heads until the socket takes no more, and one is dropped.
  void fill(Exchange& exchange) {
    constexpr int kMost = 1000;  // more than any socket takes
    for (int i = 0; i < kMost && n_dropped() == 0; ++i) {
      exchange.stream->send_informational(hints());
      loopback.settle();
    }
    REQUIRE(n_dropped() == 1);
  }
  void read_all() {
    loopback.run_until([&] {
      peer.received();
      return n_bytes() == 0;
    });
  }

  [[nodiscard]] std::uint64_t n_dropped() {
    return loopback.loop().metrics().hits(Limit::informational_heads);
  }
  [[nodiscard]] std::size_t n_bytes() {
    return static_cast<std::size_t>(loopback.loop().buffers().n_bytes());
  }

  test::Loopback loopback;
  test::Peer peer{loopback, loopback.connect()};
  std::list<Exchange> exchanges;
  std::unique_ptr<ServerConnection> connection;
};

}  // namespace

TEST_CASE("ServerConnection: informational heads that a client does not read count, up to a bound",
          "[h2]") {
  Client client;
  Exchange& exchange = client.get(1);

  client.fill(exchange);

  CHECK(client.n_bytes() >= 2 * kEach);
  CHECK(client.n_bytes() <= ServerConnection::kMaxInformationalBytes + kMostOutput + 2 * kEach);
  client.read_all();
  exchange.stream->send_informational(hints());
  CHECK(client.n_dropped() == 1);
}

TEST_CASE("ServerConnection: small informational heads have a bound by their number", "[h2]") {
  Client client;
  client.fill(client.get(1));
  Exchange& exchange = client.get(3);
  ReplyHead small;
  small.status = 103;
  small.fields.add({"link", "</a>"});

  for (std::size_t i = 0; i < ServerConnection::kMaxInformational; ++i) {
    exchange.stream->send_informational(small);
  }
  CHECK(client.n_dropped() == 1);
  exchange.stream->send_informational(small);

  CHECK(client.n_dropped() == 2);
}

TEST_CASE("ServerConnection: a reply's head counts until it is out, or its stream is gone",
          "[h2]") {
  constexpr std::size_t kReply = 50'000;
  const bool is_reset = GENERATE(false, true);
  CAPTURE(is_reset);
  Client client;
  Exchange& exchange = client.get(1);
  client.fill(exchange);
  const std::size_t with_hints = client.n_bytes();
  ReplyHead reply;
  reply.status = 200;
  reply.n_bytes = kReply;

  exchange.stream->send_head(std::move(reply), true);
  client.loopback.settle();
  CHECK(client.n_bytes() == with_hints + kReply);
  if (is_reset) {
    client.reset(1);
    CHECK(exchange.gone == router::Reset::cancel);
    CHECK(client.n_bytes() == with_hints);  // whose frames are still there
  }
  client.read_all();

  CHECK(exchange.reply_sent != is_reset);
}

TEST_CASE("ServerConnection: with memory at its limit one informational head waits, not one more",
          "[h2]") {
  Client client;
  router::BufferShare& buffers = client.loopback.loop().buffers();
  buffers.add(router::BufferBudget::kMaxBytes);
  client.loopback.settle();
  client.fill(client.get(1));
  Exchange& other = client.get(3);

  other.stream->send_informational(hints());
  CHECK(client.n_dropped() == 2);

  buffers.subtract(router::BufferBudget::kMaxBytes);
  CHECK(client.n_bytes() <= kMostOutput + 2 * kEach);
  client.read_all();
  other.stream->send_informational(hints());
  CHECK(client.n_dropped() == 2);
}
