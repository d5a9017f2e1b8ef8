// SPDX-License-Identifier: Apache-2.0
#include "router/h1/body_reader.hpp"

#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using router::h1::BodyReader;
using router::h1::Framing;

namespace {

constexpr Framing kChunked{Framing::Kind::chunked, 0};

struct Read {
  std::string content;
  std::string left;  ///< what follows the body
  bool is_complete = false;
  bool is_refused = false;
  std::string trailers;
};

void read_piece(BodyReader& reader, std::string_view text, Read& read) {
  auto bytes = std::as_bytes(std::span{text});
  while (!bytes.empty() && !reader.is_complete()) {
    const auto content = reader.read(bytes);
    if (!content) {
      read.is_refused = true;
      return;
    }
    read.content.append(reinterpret_cast<const char*>(content->data()), content->size());
  }
  read.left.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Reads `text`, cut in two at `at`.
Read read_all(const Framing& framing, std::string_view text, std::size_t at = 0) {
  Read read;
  BodyReader reader{framing};
  read_piece(reader, text.substr(0, at), read);
  if (!read.is_refused) {
    read_piece(reader, text.substr(at), read);
  }
  read.is_complete = reader.is_complete();
  for (const router::HeaderField& field : reader.trailers()) {
    read.trailers.append(field.name()).append("=").append(field.value()).append(";");
  }
  return read;
}

}  // namespace

TEST_CASE("BodyReader: a body of no bytes is complete from the start", "[h1]") {
  CHECK(BodyReader{Framing{}}.is_complete());
  CHECK(read_all({}, "next").left == "next");
}

TEST_CASE("BodyReader: a length ends the body wherever it is cut", "[h1]") {
  const auto at = GENERATE(range(0U, 10U));
  CAPTURE(at);

  const Read read = read_all({Framing::Kind::length, 5}, "12345next", at);

  CHECK(read.is_complete);
  CHECK(read.content == "12345");
  CHECK(read.left == "next");
}

TEST_CASE("BodyReader: a body until the close is never complete", "[h1]") {
  const Read read = read_all({Framing::Kind::until_close, 0}, "all of it");

  CHECK_FALSE(read.is_complete);
  CHECK(read.content == "all of it");
}

TEST_CASE("BodyReader: chunks are joined wherever they are cut", "[h1]") {
  const std::string text =
      "4\r\nsome\r\n00A;name=\"v\"\r\n body here\r\n0;last\r\nX-Sum: 7\r\nx-two:2\r\n\r\nnext";
  const auto at = GENERATE(range(0U, 69U));
  CAPTURE(at);

  const Read read = read_all(kChunked, text, at);

  REQUIRE_FALSE(read.is_refused);
  CHECK(read.is_complete);
  CHECK(read.content == "some body here");
  CHECK(read.trailers == "x-sum=7;x-two=2;");
  CHECK(read.left == "next");
}

TEST_CASE("BodyReader: chunks are joined when every byte comes alone", "[h1]") {
  BodyReader reader{kChunked};
  Read read;
  for (const char c : std::string_view{"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"}) {
    REQUIRE_FALSE(reader.is_complete());
    read_piece(reader, {&c, 1}, read);
  }

  CHECK(reader.is_complete());
  CHECK(read.content == "abcd");
  CHECK_FALSE(read.is_refused);
}

TEST_CASE("BodyReader: refuses chunks that another reader could understand differently",
          "[h1][smuggling]") {
  const std::string text = GENERATE("x\r\n",
                                    "\r\n",
                                    ";a\r\n",
                                    "0x4\r\nsome\r\n",
                                    "+4\r\nsome\r\n",
                                    "-4\r\nsome\r\n",
                                    " 4\r\nsome\r\n",
                                    "4 \r\nsome\r\n",
                                    "4\t;a\r\nsome\r\n",
                                    "4\nsome\r\n",
                                    "4\rsome\r\n",
                                    "4;a\nsome\r\n",
                                    "4;a\x01\r\nsome\r\n",
                                    "4\r\nsome\n",
                                    "4\r\nsomex",
                                    "4\r\nsomething\r\n",
                                    "1000000000000000\r\n",
                                    "0000000000000004\r\nsome",
                                    "0\r\nX-A: b\n\r\n",
                                    "0\r\n X-A: b\r\n\r\n",
                                    "0\r\nX-A : b\r\n\r\n",
                                    "0\r\nGET / HTTP/1.1\r\n\r\n");
  CAPTURE(text);

  CHECK(read_all(kChunked, text).is_refused);
}

TEST_CASE("BodyReader: refuses a chunk extension without end", "[h1]") {
  CHECK(read_all(kChunked, "1;" + std::string(BodyReader::kMaxSizeLineBytes + 1, 'a')).is_refused);
  CHECK_FALSE(
      read_all(kChunked, "1;" + std::string(BodyReader::kMaxSizeLineBytes, 'a')).is_refused);
}

TEST_CASE("BodyReader: refuses more than 64 KiB of trailers", "[h1]") {
  std::string text = "0\r\n";
  while (text.size() < router::h1::kMaxBlockBytes + 10) {
    text += "X-Field: value\r\n";
  }

  CHECK(read_all(kChunked, text).is_refused);
}

TEST_CASE("BodyReader: drops trailers that frame, route or authorise", "[h1][smuggling]") {
  const Read read =
      read_all(kChunked,
               "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\n"
               "Authorization: x\r\nCookie: a=b\r\nL5d-Dst-Override: c\r\nX-Ok: 1\r\n\r\n");

  CHECK(read.is_complete);
  CHECK(read.trailers == "x-ok=1;");
}
