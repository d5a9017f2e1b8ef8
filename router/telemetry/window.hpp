// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/telemetry/totals.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace router::telemetry {

/// What happened to one Service in a window of time; its ports are added up.
struct WindowRow {
  std::string service_namespace;
  std::string service;
  std::uint64_t ended = 0;
  std::uint64_t succeeded = 0;
  HistogramCounts duration;  ///< its sum is not kept: only counts and quantiles mean something
};

struct WindowView {
  std::chrono::nanoseconds covered{0};  ///< what the rows really span
  std::vector<WindowRow> rows;  ///< Services with requests that ended in it, by namespace and name
};

/// The last minutes of traffic, so that any window of them can be asked for.
///
/// Fed with the totals every `kStep`, it keeps what came between two of them, and of that only the
/// histograms' cells in which something fell: an idle Service costs nothing. Its memory is bounded
/// by `kMaxCells`, 16 MiB; where that is too little (more than 300 Services, each with latencies in
/// 50 cells in every step) the oldest steps go first, and the longest window is shorter than
/// `kLongest`. Not thread-safe.
class TrafficWindow {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::seconds kStep{5};
  static constexpr std::chrono::seconds kShortest{10};  ///< two steps: less would be mostly chance
  static constexpr std::chrono::minutes kLongest{10};
  static constexpr std::size_t kMaxCells = std::size_t{2} * 1024 * 1024;

  /// `started_at`: when all totals were zero.
  explicit TrafficWindow(TimePoint started_at, std::size_t max_cells = kMaxCells)
      : max_cells_{max_cells}, last_at_{started_at} {}

  /// Takes over the totals as of `now`, which never goes back. Called every `kStep`.
  void sample(TimePoint now, const std::vector<ServiceTotals>& totals);

  /// What came in the last `length` before `now`, at which `totals` hold: at most `kStep` more than
  /// that, and less while the process is young.
  [[nodiscard]] WindowView view(std::chrono::nanoseconds length,
                                TimePoint now,
                                const std::vector<ServiceTotals>& totals) const;

  /// Cells in use, of `kMaxCells`.
  [[nodiscard]] std::size_t cells() const noexcept { return cells_; }

 private:
  struct CellCount {
    std::uint16_t cell;
    std::uint32_t count;
  };
  struct ServiceStep {
    std::uint32_t service;  ///< index into `seen_`
    std::uint32_t cells;    ///< how many of the step's cells are its own
    std::uint64_t ended;
    std::uint64_t succeeded;
  };
  struct Step {
    TimePoint began_at;
    std::vector<ServiceStep> services;
    std::vector<CellCount> cells;  ///< those of the first Service, then those of the second…

    [[nodiscard]] std::size_t size() const noexcept;
  };

  [[nodiscard]] std::uint32_t index_of(const WindowRow& row);
  void add_to_step(Step& step, const WindowRow& total);
  void forget_old(TimePoint now);
  void add_steps(std::chrono::nanoseconds length,
                 TimePoint now,
                 WindowView& view,
                 std::vector<WindowRow>& sums) const;

  std::size_t max_cells_;
  std::size_t cells_ = 0;
  TimePoint last_at_;  ///< of the last sample
  std::vector<WindowRow>
      seen_;  ///< totals at the last sample, in the order in which the Services were first seen
  std::map<std::pair<std::string, std::string>, std::uint32_t> places_;
  std::deque<Step> steps_;  ///< oldest first, without a gap, up to `last_at_`
};

}  // namespace router::telemetry
