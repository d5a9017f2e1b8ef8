// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/window.hpp"

#include <algorithm>

namespace router::telemetry {
namespace {

// Totals come sorted by namespace, Service and port.
std::vector<WindowRow> by_service(const std::vector<ServiceTotals>& totals) {
  std::vector<WindowRow> rows;
  for (const ServiceTotals& port : totals) {
    const bool is_same = !rows.empty() && rows.back().service_namespace == port.service_namespace &&
                         rows.back().service == port.service;
    WindowRow& row = is_same ? rows.back() : rows.emplace_back();
    row.service_namespace = port.service_namespace;
    row.service = port.service;
    row.ended += port.ended();
    row.succeeded += port.succeeded();
    row.duration += port.duration;
  }
  return rows;
}

void subtract(WindowRow& total, const WindowRow& earlier) {
  total.ended -= earlier.ended;
  total.succeeded -= earlier.succeeded;
  total.duration -= earlier.duration;
}

}  // namespace

std::size_t TrafficWindow::Step::size() const noexcept {
  return cells.size() + services.size() * (sizeof(ServiceStep) / sizeof(CellCount));
}

std::uint32_t TrafficWindow::index_of(const WindowRow& row) {
  const auto next = static_cast<std::uint32_t>(seen_.size());
  const auto [place, is_new] = places_.try_emplace({row.service_namespace, row.service}, next);
  if (is_new) {
    WindowRow& seen = seen_.emplace_back();
    seen.service_namespace = row.service_namespace;
    seen.service = row.service;
  }
  return place->second;
}

void TrafficWindow::add_to_step(Step& step, const WindowRow& total) {
  const std::uint32_t index = index_of(total);
  WindowRow since = total;
  subtract(since, seen_[index]);
  if (since.ended == 0) {
    return;
  }
  ServiceStep entry{
      .service = index, .cells = 0, .ended = since.ended, .succeeded = since.succeeded};
  const HistogramCounts::Cells& cells = since.duration.cells();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (cells[i] != 0) {
      step.cells.push_back({static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(cells[i])});
      ++entry.cells;
    }
  }
  step.services.push_back(entry);
  seen_[index] = total;
}

void TrafficWindow::sample(TimePoint now, const std::vector<ServiceTotals>& totals) {
  Step step{.began_at = last_at_, .services = {}, .cells = {}};
  for (const WindowRow& total : by_service(totals)) {
    add_to_step(step, total);
  }
  step.cells.shrink_to_fit();
  step.services.shrink_to_fit();
  cells_ += step.size();
  steps_.push_back(std::move(step));
  last_at_ = now;
  forget_old(now);
}

void TrafficWindow::forget_old(TimePoint now) {
  // The second step begins where the first one ends.
  while (steps_.size() > 1 && (steps_[1].began_at <= now - kLongest || cells_ > max_cells_)) {
    cells_ -= steps_.front().size();
    steps_.pop_front();
  }
}

void TrafficWindow::add_steps(std::chrono::nanoseconds length,
                              TimePoint now,
                              WindowView& view,
                              std::vector<WindowRow>& sums) const {
  for (auto step = steps_.rbegin(); step != steps_.rend() && view.covered < length; ++step) {
    view.covered = now - step->began_at;
    auto cell = step->cells.begin();
    for (const ServiceStep& service : step->services) {
      WindowRow& sum = sums[service.service];
      sum.ended += service.ended;
      sum.succeeded += service.succeeded;
      for (const auto end = cell + service.cells; cell != end; ++cell) {
        sum.duration.add_to_cell(cell->cell, cell->count);
      }
    }
  }
}

WindowView TrafficWindow::view(std::chrono::nanoseconds length,
                               TimePoint now,
                               const std::vector<ServiceTotals>& totals) const {
  length = std::clamp<std::chrono::nanoseconds>(length, kShortest, kLongest);
  WindowView view{.covered = now - last_at_, .rows = {}};
  std::vector<WindowRow> sums(seen_.size());
  add_steps(length, now, view, sums);
  for (WindowRow& row : by_service(totals)) {
    if (const auto place = places_.find({row.service_namespace, row.service});
        place != places_.end()) {
      const WindowRow& before = sums[place->second];
      subtract(row, seen_[place->second]);
      row.ended += before.ended;
      row.succeeded += before.succeeded;
      row.duration += before.duration;
    }
    if (row.ended != 0) {
      view.rows.push_back(std::move(row));
    }
  }
  return view;
}

}  // namespace router::telemetry
