// SPDX-License-Identifier: Apache-2.0
// The judges before they judge: the tests' own HTTP/2 client directly against their own upstream.
#include "tests/support/h2_client.hpp"
#include "tests/support/raw_h2.hpp"
#include "tests/support/upstream.hpp"

#include <algorithm>

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>

using namespace std::chrono_literals;

TEST_CASE("H2Client and Upstream: a request and its reply come through whole", "[support]") {
  test::Upstream upstream{test::answer(201, "pong", {{"x-reply", "yes"}})};
  test::H2Client client{upstream.port()};

  const test::Reply reply = client.post("cart.shop", "/ping", "ping", {{"x-request", "yes"}});

  CHECK(reply.status == 201);
  CHECK(reply.body == "pong");
  CHECK(reply.header("x-reply") == "yes");
  CHECK(reply.ended);
  CHECK_FALSE(reply.reset_code);
  const test::SeenRequest seen = upstream.wait_for_request(1);
  CHECK(seen.header(":authority") == "cart.shop");
  CHECK(seen.header("x-request") == "yes");
  CHECK(seen.body == "ping");
  CHECK(upstream.complaints().empty());
}

TEST_CASE("H2Client and Upstream: gRPC replies have trailers, also trailers only", "[support]") {
  test::Upstream upstream{test::always(test::grpc_answer({"one", "two"}, 3, "no"))};
  test::H2Client client{upstream.port()};

  const test::Reply with_messages = client.grpc("a.b", "/s/M", "hello");
  upstream.set_script(test::always(test::grpc_trailers_only(5, "nothing")));
  const test::Reply without = client.grpc("a.b", "/s/M", "hello");

  CHECK(test::grpc_payloads(with_messages.body) == std::vector<std::string>{"one", "two"});
  CHECK(with_messages.grpc_status() == 3);
  CHECK(with_messages.trailer("grpc-message") == "no");
  CHECK(without.grpc_status() == 5);
  CHECK(without.header("grpc-message") == "nothing");
  CHECK(without.trailers.empty());
  CHECK(test::grpc_payloads(upstream.wait_for_request(1).body) ==
        std::vector<std::string>{"hello"});
}

TEST_CASE("H2Client and Upstream: both directions of a stream go on side by side", "[support]") {
  test::Upstream upstream{test::always(test::grpc_echo())};
  test::H2Client client{upstream.port()};
  const test::StreamId stream = client.open_grpc("a.b", "/s/M");

  std::uint64_t so_far = 0;
  for (const auto* const payload : {"one", "two", "three"}) {
    client.send(stream, test::grpc_frame(payload));
    so_far += test::grpc_frame(payload).size();
    client.wait_body(stream, so_far);
  }
  client.end(stream, {{"x-trailer", "sent"}});
  const test::Reply reply = client.wait(stream);

  CHECK(test::grpc_payloads(reply.body).size() == 3);
  CHECK(reply.grpc_status() == 0);
  CHECK(find(upstream.wait_for_request(1).trailers, "x-trailer") == "sent");
}

TEST_CASE("H2Client and Upstream: informational heads come before the final one", "[support]") {
  test::Upstream upstream{test::always(
      {.body = "page",
       .informational = {{{":status", "103"}, {"link", "</style.css>; rel=preload"}}}})};
  test::H2Client client{upstream.port()};

  const test::Reply reply = client.get("a.b", "/");

  REQUIRE(reply.informational.size() == 1);
  CHECK(find(reply.informational[0], ":status") == "103");
  CHECK(reply.status == 200);
}

TEST_CASE("H2Client and Upstream: a cancel is seen with its code", "[support]") {
  test::Upstream upstream{test::always({.held = true})};
  test::H2Client client{upstream.port()};
  const test::StreamId stream = client.open_get("a.b", "/");
  upstream.wait_for_request(1);

  client.reset(stream, NGHTTP2_CANCEL);

  const test::SeenRequest seen = upstream.wait_for(
      1, "a reset", [](const test::SeenRequest& request) { return request.closed; });
  CHECK(seen.reset_code == NGHTTP2_CANCEL);
  CHECK(upstream.requests_open() == 0);
}

TEST_CASE("H2Client and Upstream: refusals and resets carry their codes", "[support]") {
  test::Upstream upstream{test::refuse_every_stream()};
  test::H2Client client{upstream.port()};

  const test::Reply refused = client.get("a.b", "/");
  upstream.set_script(
      test::always({.body = "half", .open_end = true, .then_reset = NGHTTP2_INTERNAL_ERROR}));
  const test::Reply broken = client.get("a.b", "/");
  upstream.set_script(test::always({.close_connection = true}));
  const test::Reply lost = client.get("a.b", "/");

  CHECK(refused.reset_code == NGHTTP2_REFUSED_STREAM);
  CHECK(broken.reset_code == NGHTTP2_INTERNAL_ERROR);
  CHECK(broken.body == "half");
  CHECK_FALSE(broken.ended);
  CHECK(lost.reset_code);
  CHECK(client.is_closed());
  CHECK(upstream.streams_over_limit() == 0);
}

TEST_CASE("H2Client and Upstream: a GOAWAY says which stream was the last", "[support]") {
  test::Script script = test::answer(200, "ok");
  script.go_away_after = 2;
  test::Upstream upstream{script};
  test::H2Client client{upstream.port()};

  std::vector<int> statuses;
  for (int i = 0; i < 3; ++i) {
    const test::StreamId stream = client.open_get("a.b", "/");
    statuses.push_back(client.wait(stream).status);
  }

  CHECK(statuses == std::vector<int>{200, 200, 0});
  CHECK(client.go_away_last_stream() == 3);
  CHECK(upstream.requests_seen() == 2);
}

TEST_CASE("H2Client and Upstream: a graceful GOAWAY comes in two steps", "[support]") {
  test::Upstream upstream{test::always({.held = true})};
  test::H2Client client{upstream.port()};
  const test::StreamId first = client.open_get("a.b", "/");
  upstream.wait_for_request(1);

  upstream.go_away_gracefully(100ms);
  const test::StreamId last_at_first = client.wait_go_away();
  client.pump_until("the second GOAWAY", [&] { return client.go_aways_seen() == 2; });
  upstream.release();
  const test::Reply reply = client.wait(first);
  client.wait_closed();

  CHECK(last_at_first == 0x7fffffff);
  CHECK(client.go_away_last_stream() == first);
  CHECK(reply.status == 200);
}

TEST_CASE("H2Client and Upstream: a stream that is not read stalls alone", "[support]") {
  constexpr std::uint64_t kFiller = 1 << 20;
  test::Upstream upstream{{.answer = [](const test::SeenRequest& request) {
    return test::Answer{.body = "ok", .reads = request.header(":path") != "/stall"};
  }}};
  test::H2Client client{upstream.port()};
  const test::StreamId stalled = client.open_post("a.b", "/stall");
  client.send_filler(stalled, kFiller);
  client.pump_until("the window to be used up",
                    [&] { return client.sent_bytes(stalled) == 65535; });

  const test::StreamId free = client.open_post("a.b", "/free");
  client.send_filler(free, kFiller);
  client.end(free);
  client.wait(free);

  upstream.wait_for(2, "the whole body", [](const test::SeenRequest& request) {
    return request.body_bytes == kFiller && request.ended;
  });
  CHECK(client.sent_bytes(stalled) == 65535);
}

TEST_CASE("H2Client and Upstream: a client that does not read stalls its sender only",
          "[support]") {
  constexpr std::uint64_t kFiller = 1 << 20;
  test::Upstream upstream{test::always({.filler_bytes = kFiller})};
  test::H2Client client{upstream.port()};
  const test::StreamId stalled = client.open_get("a.b", "/");
  client.set_reading(stalled, false);
  upstream.wait_for(1, "65,535 bytes", [](const test::SeenRequest& request) {
    return request.reply_bytes == 65535;
  });

  const test::Reply other = client.get("a.b", "/");
  const std::uint64_t while_stalled = client.peek(stalled).body_bytes;
  client.set_reading(stalled, true);
  const test::Reply resumed = client.wait(stalled);

  CHECK(other.body_bytes == kFiller);
  CHECK(while_stalled == 65535);
  CHECK(resumed.body_bytes == kFiller);
}

TEST_CASE("Upstream: streams in excess of its SETTINGS are refused and counted", "[support]") {
  test::Script script = test::always({.held = true});
  script.max_concurrent_streams = 1;
  test::Upstream upstream{script};
  test::RawH2 client{upstream.port()};

  client.send(test::kPreface);
  client.send({.type = test::FrameType::settings});
  client.send_headers(1, test::request_headers("GET", "a.b", "/"), true);
  client.send_headers(3, test::request_headers("GET", "a.b", "/"), true);

  CHECK(client.expect_stream_error(3) == NGHTTP2_REFUSED_STREAM);
  CHECK(upstream.streams_over_limit() == 1);
  CHECK(upstream.max_streams_open() == 1);
}

TEST_CASE("Upstream: it can go away and come back on its port", "[support]") {
  test::Upstream upstream{test::answer(200, "ok")};
  upstream.stop_listening();
  test::eventually("connections to be refused", [&] {
    try {
      const test::H2Client client{upstream.port()};
      return false;
    } catch (const test::Failure&) {
      return true;
    }
  });

  upstream.listen_again();

  CHECK(test::H2Client{upstream.port()}.get("a.b", "/").status == 200);
}

TEST_CASE("H2Client: what does not come is a failure with a name", "[support]") {
  test::Upstream upstream{test::always({.held = true})};
  test::H2Client client{upstream.port()};

  CHECK_THROWS_WITH(client.pump_until(
                        "a miracle", [] { return false; }, 50ms),
                    Catch::Contains("50 ms in vain for a miracle"));
}
