// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/window.hpp"

#include <random>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::telemetry::HistogramCells;
using router::telemetry::ResponseKey;
using router::telemetry::ServiceTotals;
using router::telemetry::TrafficWindow;
using router::telemetry::WindowView;

namespace {

constexpr TrafficWindow::TimePoint kStart{};

/// Totals that grow as a router's do.
class Traffic {
 public:
  void end(std::size_t service,
           bool success,
           std::chrono::nanoseconds latency,
           std::uint64_t count = 1) {
    while (totals.size() <= service) {
      totals.emplace_back();
      totals.back().service_namespace = "calc";
      // By name, as totals always are.
      totals.back().service = std::string{"s"} + static_cast<char>('0' + totals.size() / 100 % 10) +
                              static_cast<char>('0' + totals.size() / 10 % 10) +
                              static_cast<char>('0' + totals.size() % 10);
      totals.back().port = "80";
      totals.back().responses = {{ResponseKey{.success = true}, 0},
                                 {ResponseKey{.success = false}, 0}};
    }
    totals[service].responses[success ? 0 : 1].count += count;
    totals[service].duration.add_to_cell(HistogramCells::index_of(latency), count);
  }

  std::vector<ServiceTotals> totals;
};

}  // namespace

TEST_CASE("TrafficWindow: a young process answers for the time since its start", "[telemetry]") {
  TrafficWindow window{kStart};
  Traffic traffic;
  traffic.end(0, true, 4ms, 30);
  traffic.end(0, false, 4ms, 10);

  const WindowView view = window.view(60s, kStart + 3s, traffic.totals);

  CHECK(view.covered == 3s);
  REQUIRE(view.rows.size() == 1);
  CHECK(view.rows[0].service_namespace == "calc");
  CHECK(view.rows[0].service == "s001");
  CHECK(view.rows[0].ended == 40);
  CHECK(view.rows[0].succeeded == 30);
}

TEST_CASE("TrafficWindow: what is older than the window is not in it", "[telemetry]") {
  TrafficWindow window{kStart};
  Traffic traffic;
  traffic.end(0, false, 1s, 100);  // long ago and bad
  for (int i = 1; i <= 24; ++i) {
    window.sample(kStart + 5s * i, traffic.totals);
    traffic.end(0, true, 4ms, 50);
  }

  const WindowView view = window.view(60s, kStart + 122s, traffic.totals);

  CHECK(view.covered >= 60s);
  CHECK(view.covered <= 65s);
  REQUIRE(view.rows.size() == 1);
  CHECK(view.rows[0].ended == view.rows[0].succeeded);
  const double rps =
      static_cast<double>(view.rows[0].ended) / std::chrono::duration<double>{view.covered}.count();
  CHECK(rps == Approx(10).margin(0.8));
  CHECK(view.rows[0].duration.quantile(0.99).value() < 5ms);
}

TEST_CASE("TrafficWindow: the ports of a Service are one row", "[telemetry]") {
  TrafficWindow window{kStart};
  Traffic traffic;
  traffic.end(0, true, 4ms, 3);
  traffic.end(1, true, 4ms, 4);
  traffic.totals[1].service = traffic.totals[0].service;
  traffic.totals[1].port = "81";
  window.sample(kStart + 5s, traffic.totals);

  const WindowView view = window.view(10s, kStart + 6s, traffic.totals);

  REQUIRE(view.rows.size() == 1);
  CHECK(view.rows[0].ended == 7);
  CHECK(view.rows[0].duration.count() == 7);
}

TEST_CASE("TrafficWindow: a Service without traffic in the window has no row", "[telemetry]") {
  TrafficWindow window{kStart};
  Traffic traffic;
  traffic.end(0, true, 4ms);
  for (int i = 1; i <= 10; ++i) {
    window.sample(kStart + 5s * i, traffic.totals);
  }

  CHECK(window.view(10s, kStart + 51s, traffic.totals).rows.empty());
  CHECK(window.view(60s, kStart + 51s, traffic.totals).rows.size() == 1);
}

TEST_CASE("TrafficWindow: hours of one Service take no more memory than ten minutes of it",
          "[telemetry]") {
  TrafficWindow window{kStart};
  Traffic traffic;
  std::size_t after_ten_minutes = 0;
  for (int i = 1; i <= 3'000; ++i) {
    traffic.end(0, true, 4ms, 50);
    traffic.end(0, true, 7ms, 50);
    window.sample(kStart + 5s * i, traffic.totals);
    if (i == 130) {
      after_ten_minutes = window.cells();
    }
  }

  CHECK(window.cells() == after_ten_minutes);
  const WindowView view = window.view(10min, kStart + 5s * 3'000, traffic.totals);
  CHECK(view.covered == 10min);
  REQUIRE(view.rows.size() == 1);
  CHECK(view.rows[0].ended == 12'000);
}

TEST_CASE("TrafficWindow: at its bound of memory the window shrinks and says so", "[telemetry]") {
  constexpr std::size_t kCells = 10'000;
  TrafficWindow window{kStart, kCells};
  Traffic traffic;
  for (int i = 1; i <= 120; ++i) {
    for (std::size_t service = 0; service < 100; ++service) {
      for (const auto latency : {1ms, 2ms, 4ms, 9ms, 20ms}) {
        traffic.end(service, true, latency);
      }
    }
    window.sample(kStart + 5s * i, traffic.totals);
    REQUIRE(window.cells() <= kCells + 1'000);  // at least one step is kept
  }

  const WindowView view = window.view(10min, kStart + 600s, traffic.totals);

  CHECK(view.covered > 10s);
  CHECK(view.covered < 10min);
  REQUIRE(view.rows.size() == 100);
  CHECK(view.rows[0].ended == static_cast<std::uint64_t>(view.covered / 5s) * 5);
}

TEST_CASE("TrafficWindow: every end of a request is in exactly one step", "[telemetry][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::mt19937 rng{seed};
  TrafficWindow window{kStart};
  Traffic traffic;
  std::uint64_t ended = 0;
  for (int i = 1; i <= 100; ++i) {
    const std::uint64_t count = rng() % 100;
    traffic.end(rng() % 5, rng() % 2 == 0, std::chrono::microseconds{rng() % 1'000'000}, count);
    ended += count;
    if (rng() % 3 != 0) {
      window.sample(kStart + 5s * i, traffic.totals);
    }
  }

  std::uint64_t seen = 0;
  for (const auto& row : window.view(10min, kStart + 500s, traffic.totals).rows) {
    seen += row.ended;
    CHECK(row.duration.count() == row.ended);
  }

  CHECK(seen == ended);
}
