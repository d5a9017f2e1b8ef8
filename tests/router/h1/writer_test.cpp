// SPDX-License-Identifier: Apache-2.0
#include "router/h1/writer.hpp"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using router::OutputBuffer;
using router::ReplyHead;
using router::RequestHead;
using router::h1::BodyWriter;
using router::h1::Framing;

namespace {

RequestHead request(std::string_view method) {
  RequestHead head;
  head.method = method;
  head.scheme = "http";
  head.authority = "cart.shop";
  head.path = "/a?b";
  return head;
}

ReplyHead reply(std::uint16_t status) {
  ReplyHead head;
  head.status = status;
  return head;
}

std::string text_of(const OutputBuffer& out) {
  const auto bytes = out.pending();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

}  // namespace

TEST_CASE("write_request_head: writes the line, the host and the fields", "[h1]") {
  RequestHead head = request("GET");
  head.fields.add({"x-one", "1"});

  CHECK(router::h1::write_request_head(head, router::h1::request_framing(head, true)) ==
        "GET /a?b HTTP/1.1\r\nhost: cart.shop\r\nx-one: 1\r\n\r\n");
}

TEST_CASE("write_request_head: frames by the length if there is one, else in chunks", "[h1]") {
  RequestHead with_length = request("POST");
  with_length.fields.add({"content-length", "5"});
  const RequestHead without = request("POST");

  CHECK(router::h1::write_request_head(with_length,
                                       router::h1::request_framing(with_length, false)) ==
        "POST /a?b HTTP/1.1\r\nhost: cart.shop\r\ncontent-length: 5\r\n\r\n");
  CHECK(router::h1::write_request_head(without, router::h1::request_framing(without, false)) ==
        "POST /a?b HTTP/1.1\r\nhost: cart.shop\r\ntransfer-encoding: chunked\r\n\r\n");
  CHECK(router::h1::write_request_head(without, router::h1::request_framing(without, true)) ==
        "POST /a?b HTTP/1.1\r\nhost: cart.shop\r\ncontent-length: 0\r\n\r\n");
}

TEST_CASE("write_request_head: joins cookie crumbs and declares `te`", "[h1]") {
  RequestHead head = request("GET");
  head.fields.add({"cookie", "a=b"});
  head.fields.add({"te", "trailers"});
  head.fields.add({"cookie", "c=d"});

  CHECK(router::h1::write_request_head(head, {}) ==
        "GET /a?b HTTP/1.1\r\nhost: cart.shop\r\nte: trailers\r\ncookie: a=b; c=d\r\n"
        "connection: te\r\n\r\n");
}

TEST_CASE("write_request_head: leaves out the framing of another hop", "[h1][smuggling]") {
  RequestHead head = request("GET");
  head.fields.add({"connection", "close"});
  head.fields.add({"transfer-encoding", "gzip"});
  head.fields.add({"host", "other"});

  CHECK(router::h1::write_request_head(head, {}) == "GET /a?b HTTP/1.1\r\nhost: cart.shop\r\n\r\n");
}

TEST_CASE("write_request_head: asks for a tunnel by an upgrade, also for CONNECT", "[h1][tunnel]") {
  RequestHead head = request(GENERATE("GET", "CONNECT"));
  head.protocol = "websocket";
  head.fields.add({"te", "trailers"});

  CHECK(router::h1::write_request_head(head, {}, "key") ==
        "GET /a?b HTTP/1.1\r\nhost: cart.shop\r\nte: trailers\r\nsec-websocket-key: "
        "key\r\nconnection: upgrade, te\r\nupgrade: websocket\r\n\r\n");
}

TEST_CASE("write_switch: says 101 and the protocol, whatever HTTP/2 said", "[h1][tunnel]") {
  ReplyHead head = reply(200);
  head.protocol = "websocket";
  head.fields.add({"x-one", "1"});
  head.fields.add({"content-length", "5"});

  CHECK(router::h1::write_switch(head) ==
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: "
        "websocket\r\nx-one: 1\r\n\r\n");
}

TEST_CASE("write_reply_head: says that nothing follows, where a body could be expected", "[h1]") {
  CHECK(router::h1::write_reply_head(reply(200), {}, {}) ==
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  CHECK(router::h1::write_reply_head(reply(204), {}, {}) == "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(router::h1::write_reply_head(reply(304), {}, {}) == "HTTP/1.1 304 Not Modified\r\n\r\n");
  CHECK(router::h1::write_reply_head(reply(299), {}, {.to_head = true}) == "HTTP/1.1 299 \r\n\r\n");
}

TEST_CASE("write_reply_head: to HEAD it tells the length of what is not sent", "[h1]") {
  ReplyHead head = reply(200);
  head.fields.add({"content-length", "5000"});
  const router::h1::ReplyContext to_head{.to_head = true};

  const Framing framing = router::h1::reply_framing(head, false, to_head);

  CHECK(framing.kind == Framing::Kind::none);
  CHECK(router::h1::write_reply_head(head, framing, to_head) ==
        "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n");
}

TEST_CASE("write_reply_head: to HTTP/1.0 a body without a length ends with the connection",
          "[h1]") {
  const router::h1::ReplyContext to_http10{.to_http10 = true, .closes = true};

  const Framing framing = router::h1::reply_framing(reply(200), false, to_http10);

  CHECK(framing.kind == Framing::Kind::until_close);
  CHECK(router::h1::write_reply_head(reply(200), framing, to_http10) ==
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
}

TEST_CASE("BodyWriter: writes chunks and trailers, without those that may not be one", "[h1]") {
  OutputBuffer out;
  BodyWriter writer{{Framing::Kind::chunked, 0}};
  router::HeaderList trailers;
  trailers.add({"grpc-status", "0"});
  trailers.add({"content-length", "5"});

  CHECK(writer.write(out, bytes_of("seventeen letters")));
  CHECK(writer.write(out, {}));
  CHECK(writer.finish(out, &trailers));

  CHECK(text_of(out) == "11\r\nseventeen letters\r\n0\r\ngrpc-status: 0\r\n\r\n");
}

TEST_CASE("BodyWriter: holds the sender to the announced length", "[h1][smuggling]") {
  OutputBuffer out;
  BodyWriter exact{{Framing::Kind::length, 4}};
  BodyWriter longer{{Framing::Kind::length, 4}};
  BodyWriter shorter{{Framing::Kind::length, 4}};

  CHECK((exact.write(out, bytes_of("so")) && exact.write(out, bytes_of("me")) &&
         exact.finish(out, nullptr)));
  CHECK_FALSE((longer.write(out, bytes_of("some")) && longer.write(out, bytes_of("x"))));
  CHECK_FALSE((shorter.write(out, bytes_of("so")) && shorter.finish(out, nullptr)));
  CHECK(text_of(out) == "somesomeso");
}

TEST_CASE("BodyWriter: drops a body that the reply cannot have", "[h1]") {
  OutputBuffer out;
  BodyWriter writer{Framing{}};

  CHECK(writer.write(out, bytes_of("some")));
  CHECK(writer.finish(out, nullptr));

  CHECK(out.empty());
}
