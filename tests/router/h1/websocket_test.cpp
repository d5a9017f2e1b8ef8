// SPDX-License-Identifier: Apache-2.0
#include "router/h1/websocket.hpp"

#include <catch2/catch.hpp>

using router::h1::websocket_accept;
using router::h1::websocket_key;

TEST_CASE("websocket_accept: is that of the example in RFC 6455, section 1.3", "[h1][tunnel]") {
  CHECK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("websocket_key: is 16 bytes in base64, and another one for each connection and moment",
          "[h1][tunnel]") {
  const std::string key = websocket_key(1, 2);

  CHECK(key.size() == 24);
  CHECK(key.ends_with("=="));
  CHECK(key != websocket_key(1, 3));
  CHECK(key != websocket_key(2, 2));
}
