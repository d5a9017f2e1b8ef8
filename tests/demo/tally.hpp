// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/caller.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace demo {

/// What came of the calls of a load. Any thread.
///
/// A call is `ok` if the value is right, `expected` if it ended as a division by zero must end,
/// else `failed`.
class Tally {
 public:
  void record(Operation operation,
              Operands operands,
              const CallOutcome& outcome,
              std::chrono::steady_clock::duration latency);

  [[nodiscard]] std::uint64_t failed() const;

  /// `{"calls","ok","expected","failed","pods":{OPERATION:{POD:calls}}}`: cheap, for lines of
  /// progress.
  [[nodiscard]] nlohmann::json progress() const;

  /// The whole: totals with p50, p95 and p99 in milliseconds, and the same for each operation, with
  /// its errors by status and message, and its replies by pod.
  [[nodiscard]] nlohmann::json summary() const;

 private:
  struct Row {
    std::uint64_t calls = 0;
    std::uint64_t ok = 0;
    std::uint64_t expected = 0;
    std::uint64_t failed = 0;
    std::map<std::string, std::uint64_t> errors;  ///< "STATUS: message", expected ones too
    std::map<std::string, std::uint64_t> pods;
    std::vector<std::chrono::steady_clock::duration> latencies;
  };

  static nlohmann::json counts_of(const Row& row);

  mutable std::mutex mutex_;  // guards all below
  std::map<Operation, Row> rows_;
};

}  // namespace demo
