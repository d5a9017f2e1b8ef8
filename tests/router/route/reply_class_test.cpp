// SPDX-License-Identifier: Apache-2.0
#include "router/route/reply_class.hpp"

#include <cstdint>
#include <optional>

#include <catch2/catch.hpp>

namespace router {

TEST_CASE("ReplyClass: a bad request does not speak against the endpoint, an unavailable one does",
          "[route]") {
  const ReplyClass failures = default_endpoint_failures();

  for (const int status : {4, 8, 13, 14, 15}) {
    CHECK(failures.has(200, static_cast<std::uint8_t>(status)));
  }
  for (const int status : {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 16, 17, 255}) {
    CHECK_FALSE(failures.has(500, static_cast<std::uint8_t>(status)));
  }
  for (const int status : {429, 500, 502, 503, 599, 999}) {
    CHECK(failures.has(static_cast<std::uint16_t>(status), std::nullopt));
  }
  for (const int status : {0, 200, 404, 428, 430, 499, 501, 1000}) {
    CHECK_FALSE(failures.has(static_cast<std::uint16_t>(status), std::nullopt));
  }
}

TEST_CASE("ReplyClass: success is by gRPC status where there is one, else by HTTP status",
          "[route]") {
  const ReplyClass successes = default_successes();

  CHECK(successes.has(200, 0));
  CHECK_FALSE(successes.has(200, 3));
  CHECK(successes.has(404, std::nullopt));
  CHECK_FALSE(successes.has(500, std::nullopt));
}

}  // namespace router
