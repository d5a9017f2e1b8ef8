// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

/// Distributions of durations: one writer, any number of readers, fixed memory.
namespace router::telemetry {

/// How durations are sorted into cells: log-linear by decimal decades from 100 ns to 1,000 s.
///
/// A decade has cells of a tenth of its base up to 2, of two tenths up to 5 and of five tenths up
/// to 10, so a cell is at most 10 % wide. Decades rather than octaves, because then 1, 2 and 5 of
/// every unit are borders of cells, and the buckets that Prometheus gets are counted exactly. A
/// cell holds its upper border and not its lower one, as Prometheus' `le` does.
struct HistogramCells {
  static constexpr std::size_t kDecades = 10;
  static constexpr std::size_t kPerDecade = 35;
  static constexpr std::size_t kCount =
      kDecades * kPerDecade + 2;  ///< one cell below all decades, one above them

  /// The cell of a duration. Negative ones count as zero.
  [[nodiscard]] static std::size_t index_of(std::chrono::nanoseconds duration) noexcept;
  /// Upper border of a cell, included in it; the last cell has none and returns the greatest
  /// duration there is.
  [[nodiscard]] static std::chrono::nanoseconds upper_of(std::size_t index) noexcept;
  /// The duration that stands for all of a cell: at most 5 % from any of them, but for the first
  /// and the last cell.
  [[nodiscard]] static std::chrono::nanoseconds middle_of(std::size_t index) noexcept;
};

/// A plain copy of a histogram, for arithmetic: sums over cores, differences over time.
class HistogramCounts {
 public:
  using Cells = std::array<std::uint64_t, HistogramCells::kCount>;

  HistogramCounts() = default;
  HistogramCounts(const Cells& cells, std::chrono::nanoseconds sum) noexcept
      : cells_{cells}, sum_{sum} {}

  HistogramCounts& operator+=(const HistogramCounts& other) noexcept;
  /// `earlier` must be an earlier state of the same histogram.
  HistogramCounts& operator-=(const HistogramCounts& earlier) noexcept;
  /// Counts `n` durations of one cell, without changing the sum.
  void add_to_cell(std::size_t index, std::uint64_t n) noexcept { cells_[index] += n; }

  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] std::chrono::nanoseconds sum() const noexcept { return sum_; }
  [[nodiscard]] const Cells& cells() const noexcept { return cells_; }
  /// How many durations were at most `border`; exact where `border` is 1, 2 or 5 times a power of
  /// ten from 100 ns to 1,000 s.
  [[nodiscard]] std::uint64_t count_up_to(std::chrono::nanoseconds border) const noexcept;
  /// The duration that a share `q` (0 to 1) of all did not exceed, at most 5 % off; nothing if
  /// there is none.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> quantile(double q) const noexcept;

 private:
  Cells cells_{};
  std::chrono::nanoseconds sum_{0};
};

/// Durations from 100 ns to 1,000 s, at most 5 % off; 3 KB. Written by one thread, read by any.
class Histogram {
 public:
  /// The writing thread's. Costs two loads and two stores.
  void record(std::chrono::nanoseconds duration) noexcept {
    add(cells_[HistogramCells::index_of(duration)], 1);
    add(sum_ns_, duration.count() > 0 ? static_cast<std::uint64_t>(duration.count()) : 0);
  }

  /// Any thread. Durations recorded during the call are in it or not.
  [[nodiscard]] HistogramCounts read() const noexcept;

 private:
  // One writer: a load and a store do, and cost no locked instruction.
  static void add(std::atomic<std::uint64_t>& cell, std::uint64_t n) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, HistogramCells::kCount> cells_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace router::telemetry
