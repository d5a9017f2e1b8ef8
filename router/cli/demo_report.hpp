// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace router::cli {

/// What a load generator says of one operation, or of all together.
struct LoadFigures {
  std::uint64_t calls = 0;
  std::uint64_t expected = 0;  ///< divisions by zero that ended as they must
  std::uint64_t failed = 0;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
  std::map<std::string, std::uint64_t> errors;  ///< by status and message, expected ones too
  std::map<std::string, std::uint64_t> pods;    ///< replies by pod
};

struct LoadReport {
  LoadFigures all;  ///< without `errors` and `pods`
  std::map<std::string, LoadFigures> operations;
};

/// Both protocols of one phase.
struct PhaseReport {
  LoadReport grpc;
  LoadReport http;

  [[nodiscard]] std::uint64_t failed() const noexcept { return grpc.all.failed + http.all.failed; }
};

/// Reads the `done` line of `nodeway-calculator load`. Throws `std::runtime_error` if it is none.
[[nodiscard]] LoadReport parse_load_report(std::string_view line);

/// The names of a service's pods: add-1, add-2…
[[nodiscard]] std::vector<std::string> pod_names(const std::string& service, unsigned count);

/// Replies of each pod, straight and through the router, with a bar for its share of the service's.
[[nodiscard]] std::string share_chart(const PhaseReport& straight,
                                      const PhaseReport& through,
                                      unsigned pods);

/// p50, p95 and p99 of percentage and of all operations, by protocol, straight and through the
/// router.
[[nodiscard]] std::string latency_table(const PhaseReport& straight, const PhaseReport& through);

/// Each call that failed, by operation, status and message; empty if none did.
[[nodiscard]] std::string failure_list(const PhaseReport& phase);

/// A line for each pod that got less than `kLeastShare` of its even share of either protocol's
/// calls.
[[nodiscard]] std::vector<std::string> unshared(const PhaseReport& phase, unsigned pods);

/// Wide enough for the few dozen calls that a pod gets in a short demo; the bound of the
/// simulations is for 500 a second.
inline constexpr double kLeastShare = 0.25;

/// Calls that a pod is to expect of each protocol: with so many, not one pod in 50,000 would get
/// less than `kLeastShare` even if pods were drawn blindly.
inline constexpr unsigned kCallsToJudgeBy = 20;

}  // namespace router::cli
