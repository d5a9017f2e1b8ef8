// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/field_text.hpp"

#include <array>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

namespace router {
namespace {

std::optional<std::string> decoded(std::string_view text, Base64 alphabet) {
  std::array<std::uint8_t, 6> into{};
  const auto n_bytes = decode_base64(text, alphabet, into);
  return n_bytes ? std::optional{std::string{into.begin(), into.begin() + *n_bytes}} : std::nullopt;
}

}  // namespace

TEST_CASE("trim: spaces and tabs around a text go, those within stay", "[exchange]") {
  CHECK(trim("a") == "a");
  CHECK(trim(" \ta b\t ") == "a b");
  CHECK(trim(" \t ").empty());
  CHECK(trim("").empty());
}

TEST_CASE("decode_base64: each alphabet has digits of its own", "[exchange]") {
  CHECK(decoded("aGVsbG8", Base64::standard) == "hello");
  CHECK(decoded("aGVsbG8", Base64::url) == "hello");
  CHECK(decoded("+/8", Base64::standard) == "\xfb\xff");
  CHECK(decoded("-_8", Base64::url) == "\xfb\xff");
  CHECK_FALSE(decoded("-_8", Base64::standard));
  CHECK_FALSE(decoded("+/8", Base64::url));
  CHECK_FALSE(decoded("aGVsbG8=", Base64::standard));
  CHECK(decoded("", Base64::standard) == "");
}

TEST_CASE("decode_base64: no more than there is room for", "[exchange]") {
  CHECK(decoded("YWJjZGVm", Base64::standard) == "abcdef");
  CHECK_FALSE(decoded("YWJjZGVmZw", Base64::standard));
}

}  // namespace router
