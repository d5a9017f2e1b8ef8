// SPDX-License-Identifier: Apache-2.0
#include "router/h1/h2c.hpp"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using router::HeaderList;
using router::h1::h2c_settings;

namespace {

HeaderList offer(std::string_view settings) {
  HeaderList fields;
  fields.add({"http2-settings", settings});
  return fields;
}

}  // namespace

TEST_CASE("h2c_settings: reads a payload of SETTINGS in base64url", "[h1][h2c]") {
  CHECK(h2c_settings(offer("AAMAAABk")) == std::string{"\0\3\0\0\0\x64", 6});
  CHECK(h2c_settings(offer("AAT-_wAA")) == std::string{"\0\4\xfe\xff\0\0", 6});
  CHECK(h2c_settings(offer("")) == "");
}

TEST_CASE("h2c_settings: nothing where it is no such payload, or not there once", "[h1][h2c]") {
  HeaderList twice = offer("AAMAAABk");
  twice.add({"http2-settings", "AAMAAABk"});

  CHECK_FALSE(h2c_settings(HeaderList{}));
  CHECK_FALSE(h2c_settings(twice));
  CHECK_FALSE(h2c_settings(offer("AAMAAAB")));
  CHECK_FALSE(h2c_settings(offer("AAMAAABkAA")));
  CHECK_FALSE(h2c_settings(offer("AAMAAAB=")));
  CHECK_FALSE(h2c_settings(offer("AAM+AAB/")));
}
