// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/asked_pause.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace router {
namespace {

std::optional<std::chrono::nanoseconds> pause_of(
    const std::vector<std::pair<std::string, std::string>>& fields) {
  HeaderList list;
  for (const auto& [name, value] : fields) {
    list.add_copy(name, value);
  }
  return asked_pause(list);
}

}  // namespace

TEST_CASE("asked_pause: what a failed reply asks for, the longer one of two", "[exchange]") {
  CHECK(pause_of({{"retry-after", "3"}}) == 3s);
  CHECK(pause_of({{"grpc-retry-pushback-ms", "250"}}) == 250ms);
  CHECK(pause_of({{"retry-after", "1"}, {"grpc-retry-pushback-ms", "1500"}}) == 1500ms);
  CHECK(pause_of({{"retry-after", "999999999"}}) == 999'999'999s);
}

TEST_CASE("asked_pause: nothing where nothing is asked for in numbers", "[exchange]") {
  CHECK_FALSE(pause_of({}));
  CHECK_FALSE(pause_of({{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}}));
  CHECK_FALSE(pause_of({{"retry-after", ""}}));
  CHECK_FALSE(pause_of({{"retry-after", "1000000000"}}));
  CHECK_FALSE(pause_of({{"grpc-retry-pushback-ms", "-1"}}));
  CHECK_FALSE(pause_of({{"grpc-retry-pushback-ms", "1.5"}}));
}

}  // namespace router
