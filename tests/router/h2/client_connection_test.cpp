// SPDX-License-Identifier: Apache-2.0
#include "router/h2/client_connection.hpp"

#include "tests/router/loopback.hpp"
#include "tests/router/scripted_pool.hpp"
#include "tests/support/raw_h2.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::Errc;
using router::Sent;
using Attempt = test::ScriptedAttempt;
using test::FrameType;

namespace {

std::string max_streams(std::uint32_t n) {
  constexpr char kMaxConcurrentStreams = 3;  // RFC 9113 section 6.5.2
  return test::frame_bytes({.type = FrameType::settings,
                            .payload = std::string{'\0', kMaxConcurrentStreams} + test::u32(n)});
}

/// The reply "204" to a stream, with nothing behind it.
std::string no_content(std::uint32_t stream) {
  return test::frame_bytes({.type = FrameType::headers,
                            .flags = test::kEndStream | test::kEndHeaders,
                            .stream = stream,
                            .payload = test::hpack({{":status", "204"}})});
}

struct Endpoint {
  Endpoint() {
    peer.send(max_streams(10));
    loopback.run_until([this] { return pool.is_connected; });
  }

  test::Loopback loopback;
  test::ScriptedPool pool{loopback};
  test::Peer peer{loopback, accept()};

 private:
  test::tcp::socket accept() {
    pool.connection = std::make_unique<router::h2::ClientConnection>(
        loopback.loop(), loopback.endpoint(), 1s, router::h2::SessionLimits{}, pool);
    return loopback.accept();
  }
};

}  // namespace

TEST_CASE("ClientConnection: a stream that a lowered limit bars is refused, not held", "[h2]") {
  Endpoint endpoint;
  Attempt first;
  Attempt second;
  Attempt third;
  endpoint.pool.waiting = {&first, &second, &third};

  // The pool opens all three at the first SETTINGS, before anything is written; the second, of the
  // same segment, leaves room for one.
  endpoint.peer.send_unseen(max_streams(3) + max_streams(1));
  endpoint.loopback.run_until([&] { return second.failure && third.failure; });

  CHECK(second.failure->reason == Errc::stream_refused);
  CHECK(second.failure->sent == Sent::no);
  CHECK(second.failure->may_return);
  CHECK(third.failure->reason == Errc::stream_refused);
  CHECK_FALSE(first.failure.has_value());
  endpoint.peer.send(no_content(1));
  endpoint.loopback.run_until([&] { return first.is_closed; });
  CHECK(first.status == 204);
  endpoint.loopback.run_until([&] { return endpoint.pool.connection->open_streams() == 0; });
  CHECK(endpoint.pool.connection->free_streams() == 1);
}

TEST_CASE("ClientConnection: streams on their way outlive a limit that is lowered", "[h2]") {
  Endpoint endpoint;
  Attempt first;
  Attempt second;
  for (Attempt* attempt : {&first, &second}) {
    attempt->stream = &endpoint.pool.connection->open(*attempt, attempt->head, true);
  }
  endpoint.loopback.settle();

  endpoint.peer.send(max_streams(0));
  endpoint.peer.send(no_content(1) + no_content(3));
  endpoint.loopback.run_until([&] { return first.is_closed && second.is_closed; });

  CHECK(first.status == 204);
  CHECK(second.status == 204);
  CHECK(endpoint.pool.connection->free_streams() == 0);
}
