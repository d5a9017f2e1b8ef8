// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace router::telemetry {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t kLowestNs =
    100;  // no request is faster; below it all durations are one cell

// Lower border of each decade, and above the last one the end of them all.
constexpr auto kDecadeNs = [] {
  std::array<std::uint64_t, HistogramCells::kDecades + 1> borders{};
  std::uint64_t border = kLowestNs;
  for (std::uint64_t& entry : borders) {
    entry = border;
    border *= 10;
  }
  return borders;
}();

// A decade in tenths of its base runs from 10 to 100. Cells are 1, 2 and 5 tenths wide from these
// on.
constexpr std::uint64_t kTwoWideFrom = 20;
constexpr std::uint64_t kFiveWideFrom = 50;
constexpr std::size_t kOneWideCells = 10;
constexpr std::size_t kTwoWideCells = 15;

constexpr std::size_t cell_in_decade(std::uint64_t tenths) {
  if (tenths < kTwoWideFrom) {
    return tenths - 10;
  }
  if (tenths < kFiveWideFrom) {
    return kOneWideCells + (tenths - kTwoWideFrom) / 2;
  }
  return kOneWideCells + kTwoWideCells + (tenths - kFiveWideFrom) / 5;
}

constexpr std::uint64_t upper_tenths(std::size_t cell) {
  if (cell < kOneWideCells) {
    return 10 + cell + 1;
  }
  if (cell < kOneWideCells + kTwoWideCells) {
    return kTwoWideFrom + (cell - kOneWideCells + 1) * 2;
  }
  return kFiveWideFrom + (cell - kOneWideCells - kTwoWideCells + 1) * 5;
}

static_assert(cell_in_decade(99) == HistogramCells::kPerDecade - 1);
static_assert(upper_tenths(HistogramCells::kPerDecade - 1) == 100);

}  // namespace

std::size_t HistogramCells::index_of(nanoseconds duration) noexcept {
  if (duration.count() <= static_cast<std::int64_t>(kLowestNs)) {
    return 0;
  }
  // One less, so that a duration on a border falls into the cell below it.
  const auto below = static_cast<std::uint64_t>(duration.count()) - 1;
  if (below >= kDecadeNs.back()) {
    return kCount - 1;
  }
  std::size_t decade = 0;
  while (below >= kDecadeNs[decade + 1]) {
    ++decade;
  }
  return 1 + decade * kPerDecade + cell_in_decade(below * 10 / kDecadeNs[decade]);
}

nanoseconds HistogramCells::upper_of(std::size_t index) noexcept {
  if (index == 0) {
    return nanoseconds{kLowestNs};
  }
  if (index >= kCount - 1) {
    return nanoseconds::max();
  }
  const std::size_t decade = (index - 1) / kPerDecade;
  return nanoseconds{upper_tenths((index - 1) % kPerDecade) * (kDecadeNs[decade] / 10)};
}

nanoseconds HistogramCells::middle_of(std::size_t index) noexcept {
  if (index == 0) {
    return nanoseconds{kLowestNs};
  }
  if (index >= kCount - 1) {
    return nanoseconds{kDecadeNs.back()};
  }
  // The harmonic mean of both borders is the value with the least relative distance to either.
  const auto lower = static_cast<double>(upper_of(index - 1).count());
  const auto upper = static_cast<double>(upper_of(index).count());
  return nanoseconds{std::llround(2 * lower * upper / (lower + upper))};
}

HistogramCounts& HistogramCounts::operator+=(const HistogramCounts& other) noexcept {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    cells_[i] += other.cells_[i];
  }
  sum_ += other.sum_;
  return *this;
}

HistogramCounts& HistogramCounts::operator-=(const HistogramCounts& earlier) noexcept {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    cells_[i] -= earlier.cells_[i];
  }
  sum_ -= earlier.sum_;
  return *this;
}

std::uint64_t HistogramCounts::count() const noexcept {
  return std::accumulate(cells_.begin(), cells_.end(), std::uint64_t{0});
}

std::uint64_t HistogramCounts::count_up_to(nanoseconds border) const noexcept {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < cells_.size() && HistogramCells::upper_of(i) <= border; ++i) {
    total += cells_[i];
  }
  return total;
}

std::optional<nanoseconds> HistogramCounts::quantile(double q) const noexcept {
  const std::uint64_t total = count();
  if (total == 0) {
    return std::nullopt;
  }
  const auto wanted =
      static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total)));
  const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, total);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    seen += cells_[i];
    if (seen >= rank) {
      return HistogramCells::middle_of(i);
    }
  }
  return std::nullopt;
}

HistogramCounts Histogram::read() const noexcept {
  HistogramCounts::Cells cells{};
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = cells_[i].load(std::memory_order_relaxed);
  }
  return {cells, nanoseconds{sum_ns_.load(std::memory_order_relaxed)}};
}

}  // namespace router::telemetry
