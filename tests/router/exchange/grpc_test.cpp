// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/grpc.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace router {

TEST_CASE("grpc-timeout: every unit is read", "[exchange]") {
  CHECK(parse_grpc_timeout("1H") == 1h);
  CHECK(parse_grpc_timeout("2M") == 2min);
  CHECK(parse_grpc_timeout("3S") == 3s);
  CHECK(parse_grpc_timeout("4m") == 4ms);
  CHECK(parse_grpc_timeout("5u") == 5us);
  CHECK(parse_grpc_timeout("99999999n") == 99'999'999ns);
  CHECK(parse_grpc_timeout("0S") == 0s);
}

TEST_CASE("grpc-timeout: a value longer than nanoseconds hold is no deadline anybody sees",
          "[exchange]") {
  CHECK(parse_grpc_timeout("99999999H").value() > 24h * 365 * 100);
}

TEST_CASE("grpc-timeout: what the protocol does not allow is not read", "[exchange]") {
  const auto* const text =
      GENERATE("", "1", "S", "123456789S", "-1S", "+1S", "1.5S", "1s", " 1S", "1S ", "1x", "0x1S");
  CAPTURE(text);

  CHECK_FALSE(parse_grpc_timeout(text).has_value());
}

TEST_CASE("grpc-timeout: is written in the finest unit that fits 8 digits", "[exchange]") {
  CHECK(format_grpc_timeout(5ns) == "5n");
  CHECK(format_grpc_timeout(99'999'999ns) == "99999999n");
  CHECK(format_grpc_timeout(100ms) == "100000u");
  CHECK(format_grpc_timeout(1h) == "3600000m");
  CHECK(format_grpc_timeout(24h * 365) == "31536000S");
}

TEST_CASE("grpc-timeout: a deadline that has passed is written as the shortest one", "[exchange]") {
  CHECK(format_grpc_timeout(0ns) == "1n");
  CHECK(format_grpc_timeout(-5s) == "1n");
}

TEST_CASE("grpc-timeout: what is written is read again, and never longer", "[exchange][property]") {
  const auto timeout =
      GENERATE(1ns, 999'999'999ns, 12'345'678'901ns, 3'600'000'000'001ns, 86'400'000'000'000'003ns);

  const auto again = parse_grpc_timeout(format_grpc_timeout(timeout)).value();

  CHECK(again <= timeout);
  CHECK(again > timeout - timeout / 1'000'000 - 1ns);
}

TEST_CASE("grpc-status: a number from 0 to 16 is read, anything else is UNKNOWN", "[exchange]") {
  const auto status_of = [](std::string_view text) {
    HeaderList fields;
    fields.add_copy("grpc-status", text);
    return grpc_status_of(fields).value();
  };

  CHECK(status_of("0") == 0);
  CHECK(status_of("16") == 16);
  CHECK(status_of("17") == 2);
  CHECK(status_of("300") == 2);
  CHECK(status_of("ok") == 2);
  CHECK(status_of("") == 2);
  CHECK_FALSE(grpc_status_of(HeaderList{}).has_value());
}

}  // namespace router
