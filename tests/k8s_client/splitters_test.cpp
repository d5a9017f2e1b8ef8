// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/splitters.hpp"

#include "tests/k8s_client/result_text.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace k8s_client;

namespace {

std::vector<std::string> lines_of(const std::string& text, std::size_t chunk_bytes) {
  LineSplitter splitter;
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size(); at += chunk_bytes) {
    splitter.feed(std::string_view{text}.substr(at, chunk_bytes));
    for (auto line = splitter.next(); line && *line; line = splitter.next()) {
      lines.push_back(**line);
    }
  }
  return lines;
}

struct Split {
  std::vector<std::string> items;
  std::string envelope;
  bool is_whole;
};

Split split(const std::string& text, std::size_t chunk_bytes) {
  ListSplitter splitter;
  Split result{};
  for (std::size_t at = 0; at < text.size(); at += chunk_bytes) {
    REQUIRE(splitter.feed(std::string_view{text}.substr(at, chunk_bytes),
                          [&result](std::string_view item) { result.items.emplace_back(item); }));
  }
  result.envelope = splitter.envelope();
  result.is_whole = splitter.is_whole();
  return result;
}

}  // namespace

TEST_CASE("LineSplitter: gives the same lines wherever the chunks are split", "[k8s_client]") {
  const auto chunk_bytes = GENERATE(range<std::size_t>(1, 20));
  CAPTURE(chunk_bytes);

  const auto lines = lines_of("{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}\n{\"not\":\"whole", chunk_bytes);

  CHECK(lines == std::vector<std::string>{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"});
}

TEST_CASE("LineSplitter: a line above the limit is refused before its end has come",
          "[k8s_client]") {
  LineSplitter splitter{10};
  splitter.feed("0123456789");
  REQUIRE(splitter.next());

  splitter.feed("0");

  const auto line = splitter.next();
  REQUIRE_FALSE(line);
  CHECK(line.error().code == Errc::too_large);
}

TEST_CASE(
    "LineSplitter: a line of just the limit is taken, and a longer one whole in one chunk is not",
    "[k8s_client]") {
  LineSplitter splitter{10};

  splitter.feed("0123456789\n01234567890\n");

  const auto first = splitter.next();
  REQUIRE(first);
  CHECK(*first == "0123456789");
  CHECK_FALSE(splitter.next());
}

TEST_CASE("ListSplitter: gives the same items wherever the chunks are split", "[k8s_client]") {
  const auto chunk_bytes = GENERATE(range<std::size_t>(1, 40));
  CAPTURE(chunk_bytes);

  const Split result =
      split(R"({"kind":"ServiceList","metadata":{"resourceVersion":"7","continue":"items"},)"
            R"("items":[{"a":{"items":[1,2]}}, {"b":"}]\"\\"},{}],"tail":["items"]})",
            chunk_bytes);

  CHECK(result.items ==
        std::vector<std::string>{R"({"a":{"items":[1,2]}})", R"({"b":"}]\"\\"})", "{}"});
  CHECK(result.envelope ==
        R"({"kind":"ServiceList","metadata":{"resourceVersion":"7","continue":"items"},)"
        R"("items":[],"tail":["items"]})");
  CHECK(result.is_whole);
}

TEST_CASE("ListSplitter: a list without items, or with none, has just an envelope",
          "[k8s_client]") {
  const std::string text = GENERATE(as<std::string>{},
                                    R"({"metadata":{"resourceVersion":"7"}})",
                                    R"({"items":[],"metadata":{"resourceVersion":"7"}})",
                                    R"({"items":null,"metadata":{}})");

  const Split result = split(text, 3);

  CHECK(result.items.empty());
  CHECK(result.envelope == text);
  CHECK(result.is_whole);
}

TEST_CASE("ListSplitter: a cut list is not whole", "[k8s_client]") {
  const std::string text = R"({"items":[{"a":1},{"b":2}],"metadata":{}})";
  const auto size = GENERATE(range<std::size_t>(0, 40));
  CAPTURE(size);
  REQUIRE(size < text.size());

  CHECK_FALSE(split(text.substr(0, size), 7).is_whole);
}

TEST_CASE("ListSplitter: an item or an envelope above the limit is refused", "[k8s_client]") {
  const auto ignore = [](std::string_view) {};
  ListSplitter items{20};
  ListSplitter envelope{20};

  const auto item = items.feed(R"({"items":[{"aaaaaaaaaaaaaaaaaaaa)", ignore);
  const auto around = envelope.feed(R"({"kind":"aaaaaaaaaaaaaaaaaaaa)", ignore);

  REQUIRE_FALSE(item);
  CHECK(item.error().code == Errc::too_large);
  REQUIRE_FALSE(around);
  CHECK(around.error().code == Errc::too_large);
}
