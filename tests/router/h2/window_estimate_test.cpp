// SPDX-License-Identifier: Apache-2.0
#include "router/h2/window_estimate.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::TimePoint;
using router::h2::WindowEstimate;

namespace {

constexpr std::uint32_t kLeast = 64 << 10;
constexpr std::uint32_t kMost = 1 << 20;
constexpr std::size_t kFrame = 16 << 10;

/// A peer at the other end of a way, which sends all that the window allows, as fast as the way is.
struct Way {
  std::chrono::nanoseconds round_trip;
  double bytes_per_ns;

  /// One round trip's worth of DATA, and the answer to the PING if one was sent.
  void pass(WindowEstimate& estimate) {
    const auto capacity =
        static_cast<std::size_t>(bytes_per_ns * static_cast<double>(round_trip.count()));
    const std::size_t n_bytes = std::min<std::size_t>(estimate.window_bytes(), capacity);
    bool is_pinged = false;
    for (std::size_t n = 0; n < n_bytes; n += kFrame) {
      is_pinged = estimate.on_data(std::min(kFrame, n_bytes - n), now) || is_pinged;
    }
    n_pings += is_pinged ? 1 : 0;
    now += round_trip;
    if (is_pinged) {
      estimate.on_ping_ack(now);
    }
  }

  TimePoint now{};
  int n_pings = 0;
};

}  // namespace

TEST_CASE("WindowEstimate: on a long way the window grows to the most within a few round trips",
          "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  Way way{.round_trip = 50ms, .bytes_per_ns = 1};

  for (int n = 0; n < 5; ++n) {
    way.pass(estimate);
  }

  CHECK(estimate.window_bytes() == kMost);
}

TEST_CASE("WindowEstimate: it grows to twice of what the way carries, and no further", "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  Way way{.round_trip = 10ms, .bytes_per_ns = 0.015};  // 150 kB in a round trip

  for (int n = 0; n < 100; ++n) {
    way.pass(estimate);
  }

  CHECK(estimate.window_bytes() >= 150'000);
  CHECK(estimate.window_bytes() <= 300'000);
}

TEST_CASE("WindowEstimate: a way that the least window fills leaves it as it is", "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  Way way{.round_trip = 1ms, .bytes_per_ns = 0.01};

  for (int n = 0; n < 100; ++n) {
    way.pass(estimate);
  }

  CHECK_FALSE(estimate.has_grown());
  CHECK(estimate.window_bytes() == kLeast);
}

TEST_CASE("WindowEstimate: bursts of different size do not hide how much comes", "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  TimePoint now{};
  bool is_pinged = false;

  // A small burst a round trip before each large one, which comes right behind the answer.
  for (int n = 0; n < 20; ++n) {
    for (const std::size_t n_bytes : {kFrame, kLeast - kFrame}) {
      for (std::size_t came = 0; came < n_bytes; came += kFrame) {
        is_pinged = estimate.on_data(kFrame, now) || is_pinged;
      }
      now += 20ms;
      if (std::exchange(is_pinged, false)) {
        estimate.on_ping_ack(now);
      }
    }
  }

  CHECK(estimate.has_grown());
}

TEST_CASE("WindowEstimate: one PING at a time, each after DATA of a full frame", "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  const TimePoint now{};

  CHECK_FALSE(estimate.on_data(kFrame - 1, now));
  CHECK(estimate.on_data(1, now));
  CHECK_FALSE(estimate.on_data(kMost, now));
  estimate.on_ping_ack(now + 50ms);
  CHECK_FALSE(estimate.on_data(kFrame - 1, now + 50ms));
}

TEST_CASE("WindowEstimate: small messages cost a PING now and then, and do not make it grow",
          "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  int n_pings = 0;
  TimePoint now{};

  for (int n = 0; n < 100'000; ++n) {  // 100 bytes each 100 us
    now += 100us;
    if (estimate.on_data(100, now)) {
      ++n_pings;
      estimate.on_ping_ack(now + 50us);
    }
  }

  CHECK(n_pings <= 100'000 * 100 / static_cast<int>(kFrame));
  CHECK_FALSE(estimate.has_grown());
}

TEST_CASE("WindowEstimate: where PINGs lead to nothing, they are few", "[h2]") {
  WindowEstimate estimate{kLeast, kMost};
  Way way{.round_trip = 100us, .bytes_per_ns = 0.3};  // 30 kB in a round trip, for a second

  for (int n = 0; n < 10'000; ++n) {
    way.pass(estimate);
  }

  CHECK(way.n_pings <= 110 * WindowEstimate::kTries);
}

TEST_CASE("WindowEstimate: an answer that nobody asked for changes nothing", "[h2]") {
  WindowEstimate estimate{kLeast, kMost};

  estimate.on_ping_ack(TimePoint{} + 1ms);

  CHECK_FALSE(estimate.has_grown());
  CHECK(estimate.on_data(kFrame, TimePoint{} + 1ms));
}
