// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"

#include <chrono>
#include <optional>
#include <span>

namespace balancer {

/// The weight of one endpoint by its own reports: requests a second that it serves for each unit of
/// what it can take, where errors count as load.
///
/// Reports count once they have come for `kBlackout`, so that a fresh endpoint, whose first figures
/// are of a moment, does not pull the others about; and no longer than `kExpiry` after the last.
/// Source: gRFC A58 (formula, and the defaults of the three durations and of the penalty).
class ReportedWeight {
 public:
  static constexpr std::chrono::seconds kBlackout{10};
  static constexpr std::chrono::minutes kExpiry{3};
  /// How often weights are made anew, by the caller.
  static constexpr std::chrono::seconds kUpdatePeriod{1};
  static constexpr double kErrorPenalty = 1;

  /// One report; all of it is finite and not negative. Without requests or utilization it says
  /// nothing.
  void observe(double requests_per_second,
               double errors_per_second,
               double utilization,
               TimePoint now) noexcept;
  /// Whether a report has come within `kExpiry`.
  [[nodiscard]] bool is_fresh(TimePoint now) const noexcept {
    return weight_ > 0 && now - updated_at_ < kExpiry;
  }
  /// Nothing while the reports do not count.
  [[nodiscard]] std::optional<double> weight(TimePoint now) const noexcept;

 private:
  double weight_ = 0;
  TimePoint since_{};  ///< the first report of those without a gap of `kExpiry`
  TimePoint updated_at_{};
};

/// Bounds of a weight, as a multiple of their mean: an endpoint whose figures are nonsense neither
/// starves nor is buried. Source: gRPC's static stride scheduler.
inline constexpr double kLeastWeight = 0.1;
inline constexpr double kGreatestWeight = 10;

/// Replaces reported weights by multiples of their mean; those that are nothing (0) by 1, which is
/// the mean. With fewer than two that are not, all are 1: one alone cannot be compared.
void level(std::span<double> weights) noexcept;

}  // namespace balancer
