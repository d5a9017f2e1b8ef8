// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/body.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

namespace router {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

/// Somebody who takes a body, from its first byte on.
struct Taker {
  Body& body;
  std::uint64_t position = 0;

  std::string take(std::size_t n_bytes, BodyState expected) {
    std::string text(n_bytes, '\0');
    const Pulled pulled = body.take(position, std::as_writable_bytes(std::span{text}));
    CHECK(pulled.state == expected);
    text.resize(pulled.n_bytes);
    return text;
  }
};

}  // namespace

TEST_CASE("Body: gives the bytes in order, and its end with the last of them", "[exchange]") {
  BufferShare share;
  Body body{share};
  Taker taker{body};
  body.append(bytes_of("hello "));
  body.append(bytes_of("world"));
  body.finish(BodyState::trailers);

  CHECK(taker.take(7, BodyState::open) == "hello w");
  CHECK(taker.take(7, BodyState::trailers) == "orld");
}

TEST_CASE("Body: an empty one that is not finished has nothing to give and stays open",
          "[exchange]") {
  BufferShare share;
  Body body{share};

  CHECK(Taker{body}.take(8, BodyState::open).empty());
}

TEST_CASE("Body: a second taker gets what was kept, and no byte is credited twice", "[exchange]") {
  BufferShare share;
  Body body{share};
  body.keep_taken();
  body.append(bytes_of("request"));
  body.finish(BodyState::ended);
  REQUIRE(Taker{body}.take(3, BodyState::open) == "req");
  REQUIRE(body.newly_taken() == 3);
  REQUIRE(body.is_repeatable());

  Taker second{body};

  CHECK(second.take(5, BodyState::open) == "reque");
  CHECK(body.newly_taken() == 2);
  CHECK(second.take(5, BodyState::ended) == "st");
  CHECK(body.newly_taken() == 2);
}

TEST_CASE("Body: two takers side by side each get all of it", "[exchange]") {
  BufferShare share;
  Body body{share};
  body.keep_taken();
  Taker first{body};
  Taker second{body};
  body.append(bytes_of("abc"));
  REQUIRE(first.take(2, BodyState::open) == "ab");
  REQUIRE(second.take(9, BodyState::open) == "abc");
  body.append(bytes_of("def"));
  body.finish(BodyState::ended);

  CHECK(first.take(9, BodyState::ended) == "cdef");
  CHECK(body.newly_taken() == 3);
  CHECK(second.take(9, BodyState::ended) == "def");
  CHECK(body.newly_taken() == 0);
}

TEST_CASE("Body: what was credited to a taker before is not credited again once nothing is kept",
          "[exchange]") {
  BufferShare share;
  Body body{share};
  body.keep_taken();
  body.append(std::vector<std::byte>(60'000));
  REQUIRE(Taker{body}.take(60'000, BodyState::open).size() == 60'000);
  REQUIRE(body.newly_taken() == 60'000);
  Taker second{body};
  REQUIRE(second.take(40'000, BodyState::open).size() == 40'000);

  body.stop_keeping(second.position);

  CHECK(second.take(60'000, BodyState::open).size() == 20'000);
  CHECK(body.newly_taken() == 0);
}

TEST_CASE("Body: beyond its limit nothing is kept, nothing is lost, and nothing can be repeated",
          "[exchange]") {
  BufferShare share;
  Body body{share};
  body.keep_taken();
  Taker taker{body};
  const std::string chunk(1000, 'x');
  std::size_t n_taken = 0;

  for (std::size_t n_bytes = 0; n_bytes <= Body::kKeptBytes; n_bytes += chunk.size()) {
    REQUIRE(body.is_repeatable());
    body.append(bytes_of(chunk));
    n_taken += taker.take(chunk.size(), BodyState::open).size();
  }

  CHECK_FALSE(body.is_repeatable());
  CHECK(n_taken > Body::kKeptBytes);
  CHECK(body.size() == 0);
}

TEST_CASE("Body: discarding tells how many bytes nobody had taken, whatever was kept",
          "[exchange]") {
  BufferShare share;
  Body body{share};
  body.keep_taken();
  body.append(bytes_of("0123456789"));
  REQUIRE(Taker{body}.take(4, BodyState::open).size() == 4);

  CHECK(body.discard() == 6);
  CHECK(body.size() == 0);
}

TEST_CASE("Body: is empty if it ended without a byte, and not once it had one", "[exchange]") {
  BufferShare share;
  Body body{share};
  CHECK_FALSE(body.is_empty());
  body.finish(BodyState::ended);
  CHECK(body.is_empty());

  Body other{share};
  Taker taker{other};
  other.append(bytes_of("x"));
  REQUIRE(taker.take(1, BodyState::open) == "x");
  other.finish(BodyState::ended);
  CHECK_FALSE(other.is_empty());
}

TEST_CASE("Body: every byte is given once, in order, however appends and takes interleave",
          "[exchange][property]") {
  const auto seed = GENERATE(range(1U, 100U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  const bool is_kept = seed % 2 == 0;
  BufferShare share;
  Body body{share};
  if (is_kept) {
    body.keep_taken();
  }
  Taker taker{body};
  std::string sent;
  std::string received;
  std::size_t n_credited = 0;

  for (int step = 0; step < 200; ++step) {
    const std::string chunk(rng() % 2000, static_cast<char>('a' + step % 26));
    body.append(bytes_of(chunk));
    sent += chunk;
    received += taker.take(rng() % 3000, BodyState::open);
    n_credited += body.newly_taken();
  }
  body.finish(BodyState::ended);
  received += taker.take(sent.size(), BodyState::ended);
  n_credited += body.newly_taken();

  CHECK(received == sent);
  CHECK(n_credited == sent.size());
}

TEST_CASE("Body: what it takes of memory is counted, and given back when it is empty",
          "[exchange]") {
  BufferShare share;
  Body body{share};
  Taker taker{body};
  const std::string burst(20'000, 'x');

  body.append(bytes_of(burst));
  CHECK(share.n_bytes() == BurstBytes::kBurstBytes);  // more will follow
  REQUIRE(taker.take(19'999, BodyState::open).size() == 19'999);
  CHECK(share.n_bytes() == BurstBytes::kBurstBytes);
  REQUIRE(taker.take(1, BodyState::open) == "x");
  CHECK(share.n_bytes() == 0);

  body.append(bytes_of("small"));
  CHECK(share.n_bytes() == 5);
}

TEST_CASE("Body: what is kept for another taker counts for little more than it is", "[exchange]") {
  BufferShare share;
  Body body{share};
  body.keep_taken();
  const std::string request(10'000, 'x');

  body.append(bytes_of(request));

  CHECK(share.n_bytes() < 20'000);
}

TEST_CASE("GrpcFraming: is between messages exactly at their ends, however the bytes are split",
          "[exchange]") {
  std::string stream;
  stream += std::string{"\0\0\0\0\3abc", 8};
  stream += std::string{"\0\0\0\0\0", 5};  // an empty message
  stream += std::string{"\1\0\0\1\0", 5} + std::string(256, 'z');
  const std::array<std::size_t, 4> ends{0, 8, 13, stream.size()};
  const auto step = GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{64});
  GrpcFraming framing;

  for (std::size_t at = 0; at < stream.size(); at += step) {
    const std::size_t n_bytes = std::min(step, stream.size() - at);
    framing.follow(bytes_of(std::string_view{stream}.substr(at, n_bytes)));
    CAPTURE(at, n_bytes);
    CHECK(framing.is_between_messages() ==
          (std::find(ends.begin(), ends.end(), at + n_bytes) != ends.end()));
  }
  CHECK(framing.is_between_messages());
}

}  // namespace router
