// SPDX-License-Identifier: Apache-2.0
#include "tests/demo/tally.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace demo {

namespace {

using Latencies = std::vector<std::chrono::steady_clock::duration>;

/// The nearest-rank percentile of sorted latencies, in milliseconds with three decimals.
double percentile_ms(const Latencies& sorted, std::size_t percent) {
  if (sorted.empty()) {
    return 0;
  }
  const std::size_t rank = (sorted.size() * percent + 99) / 100;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(
      sorted[std::max<std::size_t>(rank, 1) - 1]);
  return static_cast<double>(micros.count()) / 1000;
}

void add_percentiles(nlohmann::json& to, Latencies latencies) {
  std::sort(latencies.begin(), latencies.end());
  to["p50_ms"] = percentile_ms(latencies, 50);
  to["p95_ms"] = percentile_ms(latencies, 95);
  to["p99_ms"] = percentile_ms(latencies, 99);
}

bool is_division_by_zero(Operation operation, Operands operands, const CallOutcome& outcome) {
  return operation == Operation::div && operands.b == 0 && !outcome.ok &&
         (outcome.status == "INVALID_ARGUMENT" || outcome.status == "422") &&
         outcome.message == kDivisionByZero;
}

}  // namespace

void Tally::record(Operation operation,
                   Operands operands,
                   const CallOutcome& outcome,
                   std::chrono::steady_clock::duration latency) {
  const bool is_right = outcome.ok && outcome.value == calculate(operation, operands);
  const std::lock_guard lock{mutex_};
  Row& row = rows_[operation];
  ++row.calls;
  row.latencies.push_back(latency);
  if (!outcome.pod.empty()) {
    ++row.pods[outcome.pod];
  }
  if (is_right) {
    ++row.ok;
    return;
  }
  if (is_division_by_zero(operation, operands, outcome)) {
    ++row.expected;
  } else {
    ++row.failed;
  }
  ++row.errors[outcome.ok ? "wrong value" : outcome.status + ": " + outcome.message];
}

std::uint64_t Tally::failed() const {
  const std::lock_guard lock{mutex_};
  std::uint64_t failed = 0;
  for (const auto& [operation, row] : rows_) {
    failed += row.failed;
  }
  return failed;
}

nlohmann::json Tally::counts_of(const Row& row) {
  return {{"calls", row.calls}, {"ok", row.ok}, {"expected", row.expected}, {"failed", row.failed}};
}

nlohmann::json Tally::progress() const {
  const std::lock_guard lock{mutex_};
  Row total;
  nlohmann::json pods = nlohmann::json::object();
  for (const auto& [operation, row] : rows_) {
    total.calls += row.calls;
    total.ok += row.ok;
    total.expected += row.expected;
    total.failed += row.failed;
    pods[std::string{name_of(operation)}] = row.pods;
  }
  nlohmann::json progress = counts_of(total);
  progress["pods"] = std::move(pods);
  return progress;
}

nlohmann::json Tally::summary() const {
  nlohmann::json summary = progress();
  summary.erase("pods");
  const std::lock_guard lock{mutex_};
  nlohmann::json operations = nlohmann::json::object();
  Latencies all;
  for (const auto& [operation, row] : rows_) {
    nlohmann::json entry = counts_of(row);
    entry["errors"] = row.errors;
    entry["pods"] = row.pods;
    add_percentiles(entry, row.latencies);
    all.insert(all.end(), row.latencies.begin(), row.latencies.end());
    operations[std::string{name_of(operation)}] = std::move(entry);
  }
  add_percentiles(summary, std::move(all));
  summary["operations"] = std::move(operations);
  return summary;
}

}  // namespace demo
