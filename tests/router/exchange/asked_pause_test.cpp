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

TEST_CASE("asked_pause: a date counts from the reply's own, whatever our clock says",
          "[exchange]") {
  const auto pause = [](const std::string& until, const std::string& now) {
    return pause_of({{"date", now}, {"retry-after", until}});
  };
  CHECK(pause("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:27:50 GMT") == 10s);
  CHECK(pause("Thu, 01 Jan 2026 00:00:01 GMT", "Wed, 31 Dec 2025 23:59:59 GMT") == 2s);
  CHECK(pause("Fri, 31 Dec 9999 23:59:59 GMT", "Wed, 21 Oct 2026 07:28:00 GMT") == 999'999'999s);
  CHECK(pause("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:10 GMT") == 0s);
}

TEST_CASE("asked_pause: nothing of a date that is none, or whose now is not told", "[exchange]") {
  const std::string date = "Wed, 21 Oct 2026 07:28:00 GMT";
  const std::string broken = GENERATE(as<std::string>{},
                                      "Wed, 21 Oct 2026 07:28:00 UTC",
                                      "Wed, 21 Okt 2026 07:28:00 GMT",
                                      "Wed, 21 Oct 2026 7:28:00 GMT",
                                      "Wednesday, 21-Oct-26 07:28:00 GMT",
                                      "Wed, 21 Oct 2026 07:28:00 GMT ");
  CAPTURE(broken);
  CHECK_FALSE(pause_of({{"retry-after", date}}));
  CHECK_FALSE(pause_of({{"retry-after", broken}, {"date", date}}));
  CHECK_FALSE(pause_of({{"retry-after", date}, {"date", broken}}));
}

TEST_CASE("asked_pause: nothing where nothing is asked for", "[exchange]") {
  CHECK_FALSE(pause_of({}));
  CHECK_FALSE(pause_of({{"retry-after", ""}}));
  CHECK_FALSE(pause_of({{"retry-after", "1000000000"}}));
  CHECK_FALSE(pause_of({{"grpc-retry-pushback-ms", "-1"}}));
  CHECK_FALSE(pause_of({{"grpc-retry-pushback-ms", "1.5"}}));
}

}  // namespace router
