// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/histogram.hpp"

#include <chrono>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::telemetry::Histogram;
using router::telemetry::HistogramCells;
using router::telemetry::HistogramCounts;

namespace {

double relative_error(std::chrono::nanoseconds found, std::chrono::nanoseconds truth) {
  return std::abs(static_cast<double>(found.count() - truth.count())) /
         static_cast<double>(truth.count());
}

}  // namespace

TEST_CASE("Histogram: every duration from 100 ns to 1,000 s is kept to within 5 %",
          "[telemetry][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::mt19937_64 rng{seed};
  std::uniform_real_distribution<double> exponent{2.0, 12.0};

  for (int i = 0; i < 1'000; ++i) {
    const std::chrono::nanoseconds truth{std::llround(std::pow(10.0, exponent(rng)))};
    CAPTURE(truth.count());
    REQUIRE(relative_error(HistogramCells::middle_of(HistogramCells::index_of(truth)), truth) <=
            0.05);
  }
}

TEST_CASE("Histogram: cells touch without a gap, and a border belongs to the cell below it",
          "[telemetry]") {
  for (std::size_t i = 0; i + 1 < HistogramCells::kCount; ++i) {
    CAPTURE(i);
    REQUIRE(HistogramCells::index_of(HistogramCells::upper_of(i)) == i);
    REQUIRE(HistogramCells::index_of(HistogramCells::upper_of(i) + 1ns) == i + 1);
  }
}

TEST_CASE("Histogram: durations outside of its range are counted in the outermost cells",
          "[telemetry]") {
  CHECK(HistogramCells::index_of(-5ns) == 0);
  CHECK(HistogramCells::index_of(0ns) == 0);
  CHECK(HistogramCells::index_of(100ns) == 0);
  CHECK(HistogramCells::index_of(1'000s) == HistogramCells::kCount - 2);
  CHECK(HistogramCells::index_of(1h) == HistogramCells::kCount - 1);
  CHECK(HistogramCells::index_of(std::chrono::nanoseconds::max()) == HistogramCells::kCount - 1);
}

TEST_CASE("Histogram: 1, 2 and 5 of each unit are exact borders", "[telemetry]") {
  Histogram histogram;
  for (const std::chrono::nanoseconds d : {1ms, 2ms, 5ms, 10ms}) {
    histogram.record(d);
    histogram.record(d + 1ns);
  }

  const HistogramCounts counts = histogram.read();

  CHECK(counts.count_up_to(1ms) == 1);
  CHECK(counts.count_up_to(2ms) == 3);
  CHECK(counts.count_up_to(5ms) == 5);
  CHECK(counts.count_up_to(10ms) == 7);
  CHECK(counts.count() == 8);
}

TEST_CASE("Histogram: quantiles are those of the durations, at most 5 % off", "[telemetry]") {
  Histogram histogram;
  for (int i = 1; i <= 1'000; ++i) {
    histogram.record(std::chrono::milliseconds{i});
  }

  const HistogramCounts counts = histogram.read();

  CHECK(relative_error(counts.quantile(0.50).value(), 500ms) <= 0.05);
  CHECK(relative_error(counts.quantile(0.95).value(), 950ms) <= 0.05);
  CHECK(relative_error(counts.quantile(0.99).value(), 990ms) <= 0.05);
  CHECK(relative_error(counts.quantile(0).value(), 1ms) <= 0.05);
  CHECK(relative_error(counts.quantile(1).value(), 1s) <= 0.05);
  CHECK(counts.sum() == 500'500ms);
}

TEST_CASE("HistogramCounts: an empty one has no quantile", "[telemetry]") {
  CHECK_FALSE(HistogramCounts{}.quantile(0.5).has_value());
}

TEST_CASE("HistogramCounts: the difference of two states holds what came between", "[telemetry]") {
  Histogram histogram;
  histogram.record(1ms);
  const HistogramCounts before = histogram.read();
  histogram.record(7s);

  HistogramCounts between = histogram.read();
  between -= before;

  CHECK(between.count() == 1);
  CHECK(between.sum() == 7s);
  CHECK(relative_error(between.quantile(0.5).value(), 7s) <= 0.05);
}

TEST_CASE("HistogramCounts: the sum of two cores' states holds the durations of both",
          "[telemetry]") {
  Histogram one;
  Histogram other;
  one.record(1ms);
  other.record(1s);

  HistogramCounts both = one.read();
  both += other.read();

  CHECK(both.count() == 2);
  CHECK(both.sum() == 1'001ms);
}

TEST_CASE("Histogram: a reader on another thread never sees a count fall", "[telemetry]") {
  Histogram histogram;
  std::thread writer{[&histogram] {
    for (int i = 0; i < 100'000; ++i) {
      histogram.record(std::chrono::microseconds{i});
    }
  }};
  std::uint64_t last = 0;

  while (last < 100'000) {
    const std::uint64_t seen = histogram.read().count();
    REQUIRE(seen >= last);
    last = seen;
  }

  writer.join();
  CHECK(last == 100'000);
}
