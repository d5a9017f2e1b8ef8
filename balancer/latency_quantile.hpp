// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace balancer {

/// Where a quantile of the latest latencies lies, without keeping them.
///
/// Each sample moves the estimate by a step: up if it is above, down if it is below, by as much as
/// makes both cancel out at the quantile. Steps are a part of the estimate, so that microseconds
/// and minutes are followed alike. A tenfold rise takes it some 50 samples, a tenfold fall of the
/// 95th percentile some 900. Source: stochastic approximation (Robbins and Monro,
/// 1951), on a logarithmic scale.
class LatencyQuantile {
 public:
  /// With fewer samples there is no answer: a hedge that is sent too soon costs as much as a
  /// request.
  static constexpr std::uint32_t kMinSamples = 100;
  /// Of the estimate, for a sample on its rarer side: at the 95th percentile one above it; 1/19 of
  /// that for one below.
  static constexpr double kStep = 0.05;

  /// `quantile` is from 0 to 1, both excluded.
  explicit LatencyQuantile(double quantile) noexcept : quantile_{quantile} {}

  void observe(std::chrono::nanoseconds latency) noexcept;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> estimate() const noexcept;

 private:
  double quantile_;
  double estimate_ns_ = 0;
  std::uint32_t n_samples_ = 0;
};

}  // namespace balancer
