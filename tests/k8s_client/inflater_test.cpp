// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/inflater.hpp"

#include "tests/k8s_client/gzip_text.hpp"
#include "tests/k8s_client/result_text.hpp"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

using namespace k8s_client;
using test::gzip;

namespace {

struct Inflated {
  std::string text;
  std::size_t longest_part = 0;
  bool is_whole = false;
};

Result<Inflated> inflate_in_chunks(const std::string& coded, std::size_t chunk_bytes) {
  Inflater inflater;
  Inflated result;
  for (std::size_t at = 0; at < coded.size(); at += chunk_bytes) {
    inflater.feed(coded.substr(at, chunk_bytes));
    for (;;) {
      const Result<std::string> part = inflater.next();
      if (!part) {
        return part.error();
      }
      if (part->empty()) {
        break;
      }
      result.text += *part;
      result.longest_part = std::max(result.longest_part, part->size());
    }
  }
  result.is_whole = inflater.is_between_members();
  return result;
}

}  // namespace

TEST_CASE("Inflater: gives the same text wherever the chunks are split, of all members",
          "[k8s_client]") {
  const std::string coded = gzip("{\"type\":\"ADDED\"}\n") + gzip("") + gzip("two\nthree\n");
  const auto chunk_bytes = GENERATE_COPY(range(std::size_t{1}, coded.size() + 1));
  CAPTURE(chunk_bytes);

  const auto inflated = inflate_in_chunks(coded, chunk_bytes);

  REQUIRE(inflated);
  CHECK(inflated->text == "{\"type\":\"ADDED\"}\ntwo\nthree\n");
  CHECK(inflated->is_whole);
}

TEST_CASE("Inflater: gives a member at once, though the stream goes on", "[k8s_client]") {
  Inflater inflater;
  inflater.feed(gzip("an event\n"));

  CHECK(inflater.next().value() == "an event\n");
  CHECK(inflater.next().value().empty());
  CHECK(inflater.is_between_members());
}

TEST_CASE("Inflater: what a few bytes stand for comes in parts within the limit", "[k8s_client]") {
  constexpr std::size_t kSize = std::size_t{64} * 1024 * 1024;
  const std::string bomb = gzip(std::string(kSize, ' '));
  REQUIRE(bomb.size() < kSize / 200);

  const auto inflated = inflate_in_chunks(bomb, bomb.size());

  REQUIRE(inflated);
  CHECK(inflated->text.size() == kSize);
  CHECK(inflated->longest_part == Inflater::kMaxPartBytes);
}

TEST_CASE("Inflater: a member that is cut is known for it", "[k8s_client]") {
  const std::string coded = gzip("an event\n");
  const auto size = GENERATE_COPY(range(std::size_t{1}, coded.size()));

  const auto inflated = inflate_in_chunks(coded.substr(0, size), size);

  REQUIRE(inflated);
  CHECK_FALSE(inflated->is_whole);
}

TEST_CASE("Inflater: what is not gzip is refused", "[k8s_client]") {
  std::string damaged = gzip("an event\n");
  damaged[damaged.size() - 5] ^= 1;  // its checksum
  const auto coded = GENERATE_COPY(as<std::string>{}, "plain text", gzip("one") + "rest", damaged);

  const auto inflated = inflate_in_chunks(coded, coded.size());

  REQUIRE_FALSE(inflated);
  CHECK(inflated.error().code == Errc::malformed_reply);
}
