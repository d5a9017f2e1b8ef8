// SPDX-License-Identifier: Apache-2.0
#include "router/h1/head.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using router::Errc;
using router::h1::Framing;
using router::h1::LineBlock;
using router::h1::Parsed;
using router::h1::ParsedReply;
using router::h1::ParsedRequest;

namespace {

/// Feeds `text` in pieces of `piece_bytes`; the block if it is whole, else why it was refused.
Parsed<std::string> block_of(std::string_view text, std::size_t piece_bytes = 1) {
  LineBlock lines{LineBlock::LeadingEmptyLine::is_skipped};
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
    auto piece = std::as_bytes(std::span{text.substr(0, piece_bytes)});
    const auto is_whole = lines.feed(piece);
    if (!is_whole) {
      return is_whole.error();
    }
    if (*is_whole) {
      return lines.take();
    }
  }
  return router::h1::Flaw{Errc::internal, "incomplete"};
}

Parsed<ParsedRequest> request_of(std::string_view text) {
  auto block = block_of(text);
  if (!block) {
    return block.error();
  }
  return router::h1::parse_request(*std::move(block));
}

Parsed<ParsedReply> reply_of(std::string_view text, bool to_head = false) {
  auto block = block_of(text);
  if (!block) {
    return block.error();
  }
  return router::h1::parse_reply(*std::move(block), {.by_head = to_head});
}

std::string value_of(const router::HeaderList& fields, std::string_view name) {
  return std::string{fields.find(name).value_or("(absent)")};
}

/// Header fields of which no two readers may make two different messages.
struct Framed {
  std::string_view what;
  std::string_view fields;
};
constexpr auto kAmbiguous = std::to_array<Framed>({
    {"a coding that is not chunked", "Transfer-Encoding: xchunked\r\n"},
    {"a coding behind chunked", "Transfer-Encoding: chunked, identity\r\n"},
    {"a coding before chunked", "Transfer-Encoding: gzip, chunked\r\n"},
    {"identity", "Transfer-Encoding: identity\r\n"},
    {"chunked twice in a field", "Transfer-Encoding: chunked, chunked\r\n"},
    {"chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
    {"chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n"},
    {"chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n"},
    {"an empty coding", "Transfer-Encoding:\r\n"},
    {"a vertical tab before the coding",
     "Transfer-Encoding: \x0b"
     "chunked\r\n"},
    {"a length beside a coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"},
    {"a coding beside a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"},
    {"two equal lengths in a field", "Content-Length: 1, 1\r\n"},
    {"two equal lengths", "Content-Length: 1\r\nContent-Length: 1\r\n"},
    {"two lengths", "Content-Length: 1\r\nContent-Length: 2\r\n"},
    {"a length with a sign", "Content-Length: +1\r\n"},
    {"a negative length", "Content-Length: -1\r\n"},
    {"a hexadecimal length", "Content-Length: 0x5\r\n"},
    {"a length with a space in it", "Content-Length: 1 1\r\n"},
    {"an empty length", "Content-Length:\r\n"},
    {"a length of more than 64 bits", "Content-Length: 99999999999999999999\r\n"},
    {"a folded line", "X-A: b\r\n c\r\n"},
    {"a folded Transfer-Encoding", "Transfer-Encoding:\r\n chunked\r\n"},
    {"a line that begins with a tab", "\tX-A: b\r\n"},
    {"a space before the colon", "Transfer-Encoding : chunked\r\n"},
    {"a space in the name", "X A: b\r\n"},
    {"an empty name", ": b\r\n"},
    {"no colon", "X-A\r\n"},
    {"a bare line feed", "X-A: b\nX-B: c\r\n"},
    {"a bare carriage return", "X-A: b\rX-B: c\r\n"},
    {"a carriage return too many", "X-A: b\r\r\n"},
    {"a NUL in a value", std::string_view{"X-A: b\0c\r\n", 10}},
    {"a control character in a value", "X-A: b\x01\r\n"},
});

}  // namespace

TEST_CASE("LineBlock: takes a head in pieces of any size and leaves what follows it", "[h1]") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string text = head + "rest";
  const auto at = GENERATE(range(0U, 27U));
  LineBlock lines{LineBlock::LeadingEmptyLine::is_skipped};
  auto first = std::as_bytes(std::span{text}.first(at));
  auto second = std::as_bytes(std::span{text}.subspan(at));

  const bool early = *lines.feed(first);
  const bool whole = early || *lines.feed(second);

  CHECK_FALSE(early);
  REQUIRE(whole);
  CHECK(second.size() == 4);
  CHECK(lines.take() == head);
}

TEST_CASE("LineBlock: skips one empty line before a head", "[h1]") {
  CHECK(*block_of("\r\nGET / HTTP/1.1\r\n\r\n") == "GET / HTTP/1.1\r\n\r\n");
}

TEST_CASE("LineBlock: refuses a bare line feed as soon as it comes", "[h1]") {
  CHECK(block_of("GET / HTTP/1.1\n").error().code == Errc::bad_request);
  CHECK(block_of("\n").error().code == Errc::bad_request);
}

TEST_CASE("LineBlock: refuses more than 64 KiB, in one line or in many", "[h1]") {
  const std::string one_line = "GET /" + std::string(router::h1::kMaxBlockBytes, 'a');
  std::string many_lines = "GET / HTTP/1.1\r\n";
  while (many_lines.size() <= router::h1::kMaxBlockBytes) {
    many_lines += "X-Field: value\r\n";
  }

  CHECK(block_of(one_line, 5000).error().code == Errc::headers_too_large);
  CHECK(block_of(many_lines, 5000).error().code == Errc::headers_too_large);
}

TEST_CASE("parse_request: refuses many tiny fields that would cost more than 64 KiB", "[h1]") {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 2000; ++i) {
    text += "a:b\r\n";
  }

  CHECK(request_of(text + "\r\n").error().code == Errc::headers_too_large);
}

TEST_CASE("parse_request: reads the line and the fields", "[h1]") {
  const auto request = request_of(
      "POST /a/b?c=d HTTP/1.1\r\nHost: Cart.shop:80\r\nX-One:  1\t\r\nX-TWO:2\r\nx-empty:\r\n"
      "Content-Type: application/grpc+proto\r\nContent-Length: 5\r\n\r\n");

  REQUIRE(request.has_value());
  CHECK(request->head.method == "POST");
  CHECK(request->head.scheme == "http");
  CHECK(request->head.authority == "Cart.shop:80");
  CHECK(request->head.path == "/a/b?c=d");
  CHECK(request->head.is_grpc);
  CHECK(value_of(request->head.fields, "x-one") == "1");
  CHECK(value_of(request->head.fields, "x-two") == "2");
  CHECK(value_of(request->head.fields, "x-empty").empty());
  CHECK(value_of(request->head.fields, "host") == "(absent)");
  CHECK(value_of(request->head.fields, "content-length") == "5");
  CHECK(request->framing == Framing{Framing::Kind::length, 5});
  CHECK(request->keeps_alive);
}

TEST_CASE("parse_request: keeps its text when it is moved", "[h1]") {
  auto parsed = request_of("GET /path HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\n");
  REQUIRE(parsed.has_value());

  const ParsedRequest moved = *std::move(parsed);

  CHECK(moved.head.path == "/path");
  CHECK(moved.head.authority == "a");
  CHECK(value_of(moved.head.fields, "x-one") == "1");
}

TEST_CASE("parse_request: takes chunked in any case, and does not pass it on", "[h1]") {
  const auto request =
      request_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:  CHUNKED \r\n\r\n");

  REQUIRE(request.has_value());
  CHECK(request->framing.kind == Framing::Kind::chunked);
  CHECK(value_of(request->head.fields, "transfer-encoding") == "(absent)");
}

TEST_CASE("parse_request: a request without a length has no body", "[h1]") {
  CHECK(request_of("POST / HTTP/1.1\r\nHost: a\r\n\r\n")->framing.kind == Framing::Kind::none);
  CHECK(request_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")->framing.kind ==
        Framing::Kind::none);
}

TEST_CASE("parse_request: takes the authority of an absolute target, not the Host's", "[h1]") {
  struct Case {
    std::string_view method;
    std::string_view target;
    std::string_view authority;
    std::string_view path;
  };
  const auto expected = GENERATE(values<Case>({{"GET", "http://b:80/x?y", "b:80", "/x?y"},
                                               {"GET", "HTTP://b/x", "b", "/x"},
                                               {"GET", "http://b", "b", "/"},
                                               {"OPTIONS", "http://b", "b", "*"},
                                               {"OPTIONS", "*", "a", "*"},
                                               {"GET", "/http://b/", "a", "/http://b/"}}));
  CAPTURE(expected.method, expected.target);

  const auto request = request_of(std::string{expected.method} + " " +
                                  std::string{expected.target} + " HTTP/1.1\r\nHost: a\r\n\r\n");

  REQUIRE(request.has_value());
  CHECK(request->head.authority == expected.authority);
  CHECK(request->head.path == expected.path);
}

TEST_CASE("parse_request: refuses what is no request line", "[h1]") {
  const std::string line = GENERATE("GET /",
                                    "GET / HTTP/1.2",
                                    "GET / HTTP/2.0",
                                    "GET / http/1.1",
                                    "GET / HTTP/1.1 ",
                                    "GET  / HTTP/1.1",
                                    "GET / HTTP/1.1\t",
                                    " GET / HTTP/1.1",
                                    "GET /a b HTTP/1.1",
                                    "GET /a\x01 HTTP/1.1",
                                    "G\"T / HTTP/1.1",
                                    " / HTTP/1.1",
                                    "GET  HTTP/1.1",
                                    "GET path HTTP/1.1",
                                    "GET * HTTP/1.1",
                                    "GET ftp://b/ HTTP/1.1",
                                    "GET http:///x HTTP/1.1",
                                    "GET http://user@b/ HTTP/1.1",
                                    "GET http://b?x HTTP/1.1",
                                    "HTTP/1.1 200 OK");
  CAPTURE(line);

  CHECK(request_of(line + "\r\nHost: a\r\n\r\n").error().code == Errc::bad_request);
}

TEST_CASE("parse_request: refuses an authority that a reader could end elsewhere",
          "[h1][smuggling]") {
  const std::string host =
      GENERATE("a b", "a,b/", "a/b", "a?b", "a#b", "a@b", "a\\b", "\"a\"", "a\xff");
  CAPTURE(host);

  CHECK(request_of("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n").error().code ==
        Errc::bad_request);
  CHECK(request_of("GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n").error().code ==
        Errc::bad_request);
}

TEST_CASE("parse_request: takes names, addresses and ports of every form as the authority",
          "[h1]") {
  const std::string host =
      GENERATE("", "cart.shop:80", "_x.A-b~1", "10.0.0.1", "[fd00::1]:80", "a%20b");

  CHECK(request_of("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")->head.authority == host);
}

TEST_CASE("check_beginning: another protocol is told by its first byte or first line", "[h1]") {
  using router::h1::check_beginning;

  CHECK(check_beginning("").has_value());
  CHECK(check_beginning("\r").has_value());
  CHECK(check_beginning("GE").has_value());
  CHECK(check_beginning("GET / HTTP/1.1\r\nHo").has_value());
  CHECK(check_beginning("\x16\x03").has_error());
  CHECK(check_beginning("\ra").has_error());
  CHECK(check_beginning("EHLO a\r\n").has_error());
}

TEST_CASE("parse_request: plain CONNECT is not allowed", "[h1]") {
  CHECK(request_of("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").error().code ==
        Errc::method_not_allowed);
}

TEST_CASE("parse_request: refuses fields that another reader could understand differently",
          "[h1][smuggling]") {
  for (const Framed& ambiguous : kAmbiguous) {
    INFO(ambiguous.what);
    const auto request =
        request_of("POST / HTTP/1.1\r\nHost: a\r\n" + std::string{ambiguous.fields} + "\r\n");

    CHECK((request.has_error() && request.error().code == Errc::bad_request));
  }
}

TEST_CASE("parse_request: asks for exactly one Host in HTTP/1.1", "[h1][smuggling]") {
  CHECK(request_of("GET / HTTP/1.1\r\n\r\n").error().code == Errc::bad_request);
  CHECK(request_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").error().code ==
        Errc::bad_request);
  CHECK(request_of("GET http://b/ HTTP/1.1\r\n\r\n").error().code == Errc::bad_request);
  CHECK(request_of("GET / HTTP/1.0\r\n\r\n")->head.authority.empty());
}

TEST_CASE("parse_request: refuses a Transfer-Encoding in HTTP/1.0", "[h1][smuggling]") {
  CHECK(
      request_of("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").error().code ==
      Errc::bad_request);
}

TEST_CASE("parse_request: HTTP/1.0 and `connection: close` end the connection", "[h1]") {
  CHECK_FALSE(request_of("GET / HTTP/1.0\r\nHost: a\r\n\r\n")->keeps_alive);
  CHECK_FALSE(
      request_of("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")->keeps_alive);
  CHECK_FALSE(request_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n")->keeps_alive);
  CHECK(request_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n")->keeps_alive);
}

TEST_CASE("parse_request: an expectation of 100 is told and not passed on", "[h1]") {
  const auto request = request_of(
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\nTE: "
      "trailers\r\n\r\n");

  REQUIRE(request.has_value());
  CHECK(request->expects_continue);
  CHECK(request->takes_trailers);
  CHECK(value_of(request->head.fields, "expect") == "(absent)");
  CHECK(value_of(request->head.fields, "te") == "trailers");
}

TEST_CASE("parse_request: an upgrade to one protocol, without a body, is told", "[h1][tunnel]") {
  struct Case {
    std::string_view fields;
    std::string_view protocol;
  };
  const auto expected = GENERATE(
      values<Case>({{"Connection: Upgrade\r\nUpgrade: bytes/1\r\n", "bytes/1"},
                    {"Connection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n", "websocket"},
                    {"Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 0\r\n", "a"},
                    {"Upgrade: bytes/1\r\n", ""},
                    {"Connection: upgrade\r\n", ""},
                    {"Connection: upgrade\r\nUpgrade: a, b\r\n", ""},
                    {"Connection: upgrade\r\nUpgrade: a\r\nUpgrade: a\r\n", ""},
                    {"Connection: upgrade\r\nUpgrade: a/\r\n", ""},
                    {"Connection: upgrade\r\nUpgrade: /1\r\n", ""},
                    {"Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 1\r\n", ""},
                    {"Connection: upgrade\r\nUpgrade: a\r\nTransfer-Encoding: chunked\r\n", ""}}));
  CAPTURE(expected.fields);

  const auto request =
      request_of("GET / HTTP/1.1\r\nHost: a\r\n" + std::string{expected.fields} + "\r\n");

  REQUIRE(request.has_value());
  CHECK(request->head.protocol == expected.protocol);
  if (!expected.protocol.empty()) {
    CHECK_FALSE(request->head.fields.find("content-length"));  // no length of what follows
  }
}

TEST_CASE("parse_request: many tiny fields count for what they take", "[h1]") {
  std::string fields;
  for (int i = 0; i < 1000; ++i) {
    fields += "a:\r\n";
  }

  const auto request = request_of("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");

  REQUIRE(request.has_value());
  CHECK(request->head.n_bytes > 32'000);
}

TEST_CASE("parse_request: the scheme is that of the connection, if the target has none", "[h1]") {
  const auto scheme_of = [](const std::string& target) {
    auto block = block_of("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
    return std::string{router::h1::parse_request(*std::move(block), "https")->head.scheme};
  };

  CHECK(scheme_of("/") == "https");
  CHECK(scheme_of("http://a/") == "http");
  CHECK(scheme_of("https://a/") == "https");
}

TEST_CASE("parse_reply: 101 opens a tunnel where one was asked for", "[h1][tunnel]") {
  const auto to_upgrade = [](const std::string& fields) {
    auto block = block_of("HTTP/1.1 101 Switching Protocols\r\n" + fields + "\r\n");
    return router::h1::parse_reply(*std::move(block), {.for_tunnel = true});
  };

  const auto reply = to_upgrade("Connection: Upgrade\r\nUpgrade: bytes/1\r\n");

  REQUIRE(reply.has_value());
  CHECK(reply->head.protocol == "bytes/1");
  CHECK(reply->framing.kind == Framing::Kind::until_close);
  CHECK_FALSE(reply->keeps_alive);
  CHECK(to_upgrade("Connection: Upgrade\r\n").has_error());
  CHECK(to_upgrade("Upgrade: bytes/1\r\n").has_error());
  CHECK(to_upgrade("Connection: Upgrade\r\nUpgrade: a\r\nTransfer-Encoding: chunked\r\n")
            .has_error());
}

TEST_CASE("parse_reply: reads the status, the fields and the framing", "[h1]") {
  const auto reply = reply_of("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\nX-One: 1\r\n\r\n");

  REQUIRE(reply.has_value());
  CHECK(reply->head.status == 404);
  CHECK(value_of(reply->head.fields, "x-one") == "1");
  CHECK(reply->framing == Framing{Framing::Kind::length, 7});
  CHECK(reply->keeps_alive);
}

TEST_CASE("parse_reply: takes an absent reason", "[h1]") {
  CHECK(reply_of("HTTP/1.1 200 \r\n\r\n")->head.status == 200);
  CHECK(reply_of("HTTP/1.1 200\r\n\r\n")->head.status == 200);
}

TEST_CASE("parse_reply: without a length the body ends with the connection", "[h1]") {
  const auto reply = reply_of("HTTP/1.1 200 OK\r\n\r\n");

  REQUIRE(reply.has_value());
  CHECK(reply->framing.kind == Framing::Kind::until_close);
  CHECK_FALSE(reply->keeps_alive);
}

TEST_CASE("parse_reply: to HEAD, and with 204 and 304, there is no body", "[h1]") {
  const std::string length = "Content-Length: 5\r\n\r\n";

  CHECK(reply_of("HTTP/1.1 200 OK\r\n" + length, true)->framing.kind == Framing::Kind::none);
  CHECK(reply_of("HTTP/1.1 304 Not Modified\r\n" + length)->framing.kind == Framing::Kind::none);
  CHECK(reply_of("HTTP/1.1 204 No Content\r\n\r\n")->framing.kind == Framing::Kind::none);
  CHECK(reply_of("HTTP/1.1 204 No Content\r\n\r\n")->keeps_alive);
}

TEST_CASE("parse_reply: refuses fields that another reader could understand differently",
          "[h1][smuggling]") {
  for (const Framed& ambiguous : kAmbiguous) {
    INFO(ambiguous.what);
    const auto reply = reply_of("HTTP/1.1 200 OK\r\n" + std::string{ambiguous.fields} + "\r\n");

    CHECK((reply.has_error() && reply.error().code == Errc::bad_request));
  }
}

TEST_CASE("parse_reply: refuses chunks where there can be none", "[h1][smuggling]") {
  const std::string chunked = "Transfer-Encoding: chunked\r\n\r\n";

  CHECK(reply_of("HTTP/1.0 200 OK\r\n" + chunked).has_error());
  CHECK(reply_of("HTTP/1.1 204 No Content\r\n" + chunked).has_error());
  CHECK(reply_of("HTTP/1.1 103 Early Hints\r\n" + chunked).has_error());
}

TEST_CASE("parse_reply: refuses what is no status line, and 101", "[h1]") {
  const std::string line = GENERATE("HTTP/1.1",
                                    "HTTP/1.1 ",
                                    "HTTP/1.1 20",
                                    "HTTP/1.1 20x OK",
                                    "HTTP/1.1 2000 OK",
                                    "HTTP/1.1 099 OK",
                                    "HTTP/1.1  200 OK",
                                    "HTTP/2 200 OK",
                                    "HTTP/1.2 200 OK",
                                    "GET / HTTP/1.1",
                                    "HTTP/1.1 101 Switching Protocols");
  CAPTURE(line);

  CHECK(reply_of(line + "\r\n\r\n").has_error());
}
