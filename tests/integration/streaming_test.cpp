// SPDX-License-Identifier: Apache-2.0
// Bodies, trailers and half-closed streams pass through as they are.
#include "tests/integration/one_service.hpp"

#include <catch2/catch.hpp>
#include <nghttp2/nghttp2.h>

TEST_CASE("nodeway: a unary gRPC call and its trailers come through", "[integration][streaming]") {
  test::OneService path{test::always(test::grpc_answer({"sum"}))};

  const test::Reply reply = path.client.grpc("cart.shop", "/calc.Add/Add", "1+2");

  CHECK(reply.status == 200);
  CHECK(test::grpc_payloads(reply.body) == std::vector<std::string>{"sum"});
  CHECK(reply.trailer("grpc-status") == "0");
  const test::SeenRequest seen = path.upstream.wait_for_request(1);
  CHECK(seen.header(":path") == "/calc.Add/Add");
  CHECK(seen.header("te") == "trailers");
  CHECK(seen.body == test::grpc_frame("1+2"));
}

TEST_CASE("nodeway: a trailers-only reply stays one HEADERS frame", "[integration][streaming]") {
  test::OneService path{test::always(test::grpc_trailers_only(5, "no such thing"))};

  const test::Reply reply = path.client.grpc("cart.shop", "/s/M", "");

  CHECK(reply.header("grpc-status") == "5");
  CHECK(reply.grpc_message() == "no such thing");
  CHECK(reply.trailers.empty());
  CHECK_FALSE(reply.header("nodeway-error"));
}

TEST_CASE("nodeway: client streaming: pieces arrive while the stream is open",
          "[integration][streaming]") {
  test::OneService path{test::always(test::grpc_answer({"done"}))};
  const test::StreamId stream = path.client.open_grpc("cart.shop", "/s/M");

  std::string so_far;
  for (const auto* const payload : {"one", "two", "three"}) {
    so_far += test::grpc_frame(payload);
    path.client.send(stream, test::grpc_frame(payload));
    path.upstream.wait_for(
        1, payload, [&](const test::SeenRequest& seen) { return seen.body == so_far; });
  }
  path.client.end(stream);

  CHECK(path.client.wait(stream).grpc_status() == 0);
}

TEST_CASE("nodeway: server streaming: messages arrive before the reply's end",
          "[integration][streaming]") {
  test::Answer endless = test::grpc_answer({"one", "two"});
  endless.open_end = true;
  test::OneService path{test::always(endless)};
  const test::StreamId stream = path.client.open_grpc("cart.shop", "/s/M");
  path.client.end(stream);

  const test::Reply reply = path.client.wait_body(stream, endless.body.size());

  CHECK(test::grpc_payloads(reply.body).size() == 2);
  CHECK_FALSE(reply.ended);
}

TEST_CASE("nodeway: bidirectional streaming: each message is answered before the next is sent",
          "[integration][streaming]") {
  test::OneService path{test::always(test::grpc_echo())};
  const test::StreamId stream = path.client.open_grpc("cart.shop", "/s/M");

  std::uint64_t so_far = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string message = test::grpc_frame("message " + std::to_string(i));
    path.client.send(stream, message);
    so_far += message.size();
    path.client.wait_body(stream, so_far);
  }
  path.client.end(stream);
  const test::Reply reply = path.client.wait(stream);

  CHECK(reply.grpc_status() == 0);
  CHECK(test::grpc_payloads(reply.body).size() == 100);
}

TEST_CASE("nodeway: large bodies arrive whole both ways", "[integration][streaming]") {
  constexpr std::uint64_t kBytes = 8 << 20;
  test::OneService path{test::always({.filler_bytes = kBytes, .trailers = {{"x-sum", "f"}}})};
  const test::StreamId stream = path.client.open_post("cart.shop", "/");

  path.client.send_filler(stream, kBytes);
  path.client.end(stream);
  const test::Reply reply = path.client.wait(stream);

  CHECK(reply.body_bytes == kBytes);
  CHECK(reply.trailer("x-sum") == "f");
  CHECK(path.upstream.wait_for_request(1).body_bytes == kBytes);
}

TEST_CASE("nodeway: trailers of a request reach the endpoint", "[integration][streaming]") {
  test::OneService path{test::answer(200, "ok")};
  const test::StreamId stream = path.client.open_post("cart.shop", "/");

  path.client.send(stream, "body");
  path.client.end(stream, {{"x-checksum", "12"}, {"x-more", "yes"}});

  CHECK(path.client.wait(stream).status == 200);
  CHECK(path.upstream.wait_for_request(1).trailers ==
        test::Headers{{"x-checksum", "12"}, {"x-more", "yes"}});
}

TEST_CASE("nodeway: a request that is half closed still gets a long reply",
          "[integration][streaming]") {
  test::OneService path{test::always({.body = "late", .held = true})};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");
  path.upstream.wait_for(
      1, "the request's end", [](const test::SeenRequest& seen) { return seen.ended; });

  path.upstream.release();

  CHECK(path.client.wait(stream).body == "late");
}

TEST_CASE("nodeway: a reply that ends before its request is passed on at once",
          "[integration][streaming]") {
  test::OneService path{test::always({.status = 413, .body = "too much", .at_head = true})};
  const test::StreamId stream = path.client.open_post("cart.shop", "/");

  const test::Reply reply = path.client.wait(stream);

  CHECK(reply.status == 413);
  CHECK(reply.body == "too much");
}

TEST_CASE("nodeway: NO_ERROR after a whole reply stops the request, not the reply",
          "[integration][streaming]") {
  test::OneService path{test::always(
      {.status = 413, .body = "too much", .at_head = true, .then_reset = NGHTTP2_NO_ERROR})};
  const test::StreamId stream = path.client.open_post("cart.shop", "/");
  path.client.send_filler(stream, 1 << 20);

  const test::Reply reply = path.client.wait(stream);

  CHECK(reply.status == 413);
  CHECK(reply.body == "too much");
  path.upstream.wait_until_open(0);
  path.router.wait_metric("nodeway_streams_open", 0);
}

TEST_CASE("nodeway: a whole reply is passed on though its endpoint's connection has gone",
          "[integration][streaming]") {
  constexpr std::uint64_t kBody = 60'000;
  test::OneService path{test::always({.filler_bytes = kBody, .at_head = true})};
  path.client.set_stream_window(1000);
  path.client.ping();
  const test::StreamId stream = path.client.open_post("cart.shop", "/");
  path.client.set_reading(stream, false);
  path.client.wait_body(stream, 1000);
  path.upstream.wait_for(1, "all of the reply to be sent", [](const test::SeenRequest& seen) {
    return seen.reply_bytes == kBody;
  });

  path.upstream.close_connections();
  path.router.wait_metric("nodeway_upstream_connections", 0);
  path.client.set_reading(stream, true);
  path.client.set_stream_window(65'535);

  CHECK(path.client.wait(stream).body_bytes == kBody);
}

TEST_CASE("nodeway: informational heads without end cost a client that does not read no memory",
          "[integration][streaming]") {
  const test::Headers hint{{":status", "103"}, {"link", std::string(1000, 'x')}};
  test::OneService path{test::always({.informational = std::vector<test::Headers>(20'000, hint)})};
  const test::StreamId stream = path.client.open_get("cart.shop", "/");

  // The client reads nothing meanwhile.
  test::eventually("some to be dropped", [&] {
    return path.router.metric("nodeway_limit_hits_total", {{"limit", "informational_heads"}}) > 0;
  });

  CHECK(path.client.wait(stream).status == 200);
}

TEST_CASE("nodeway: informational heads are passed on before the final one",
          "[integration][streaming]") {
  test::OneService path{
      test::always({.body = "page",
                    .informational = {{{":status", "103"}, {"link", "</a.css>"}},
                                      {{":status", "103"}, {"link", "</b.css>"}}}})};

  const test::Reply reply = path.client.get("cart.shop", "/");

  REQUIRE(reply.informational.size() == 2);
  CHECK(find(reply.informational[1], "link") == "</b.css>");
  CHECK(reply.status == 200);
  CHECK(reply.body == "page");
}

TEST_CASE("nodeway: replies without a body have none", "[integration][streaming]") {
  test::OneService path{{.answer = [](const test::SeenRequest& request) {
    const bool is_head = request.header(":method") == "HEAD";
    return test::Answer{
        .status = is_head ? 200 : 204,
        .headers = is_head ? test::Headers{{"content-length", "5000"}} : test::Headers{}};
  }}};

  const test::StreamId head =
      path.client.open(test::request_headers("HEAD", "cart.shop", "/"), true);
  const test::Reply to_head = path.client.wait(head);
  const test::Reply to_get = path.client.get("cart.shop", "/");

  CHECK(to_head.status == 200);
  CHECK(to_head.header("content-length") == "5000");
  CHECK(to_head.body.empty());
  CHECK_FALSE(to_head.reset_code);
  CHECK(to_get.status == 204);
  CHECK(to_get.ended);
}

TEST_CASE("nodeway: a thousand streams of one connection go on at once",
          "[integration][streaming]") {
  test::OneService path{test::always({.body = "ok", .held = true})};
  std::vector<test::StreamId> streams;
  for (int i = 0; i < 1000; ++i) {
    streams.push_back(path.client.open_get("cart.shop", "/"));
  }
  path.client.pump_until("all to reach the endpoint",
                         [&] { return path.upstream.requests_open() == 1000; });

  CHECK(path.router.metric("nodeway_streams_open") == 1000);
  path.upstream.release();

  for (const test::StreamId stream : streams) {
    REQUIRE(path.client.wait(stream).status == 200);
  }
  path.router.wait_metric("nodeway_streams_open", 0);
}
