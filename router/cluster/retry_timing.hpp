// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/latency_quantile.hpp"
#include "router/route/policy.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

namespace router {

/// When the retries and hedges of a Service port are sent, on one core: their pauses, and how long
/// a request takes, usually and at least.
class RetryTiming {
 public:
  /// Before the first retry up to so long, by chance, and up to twice as long before each further
  /// one: those whose pod has just died must not all arrive at the next one at once. Envoy's, both.
  static constexpr std::chrono::milliseconds kBasePause{25};
  static constexpr std::chrono::milliseconds kLongestPause{250};
  static constexpr double kHedgingQuantile = 0.95;
  /// A request that has less time left than all but one in twenty take is not worth sending.
  static constexpr double kLeastQuantile = 0.05;

  RetryTiming(const RetryPolicy& policy, std::uint32_t seed);
  void apply(const RetryPolicy& policy);

  /// A reply's head came after so long.
  void on_reply(Nanoseconds took) noexcept {
    usual_.observe(took);
    least_.observe(took);
  }

  /// None came for so long: that is known to be longer than usual, or tells nothing. Left out, the
  /// slow ones that hedges end would make the usual look ever faster.
  void on_silence(Nanoseconds waited) noexcept;

  /// Before retry `n`, from 1.
  [[nodiscard]] Nanoseconds pause_before(std::uint32_t n);
  /// For how long a request is given no second one; nothing: it never is.
  [[nodiscard]] std::optional<Nanoseconds> hedging_delay() const noexcept;
  /// Whether a reply may come in the time that is left. Always, while too few are known.
  [[nodiscard]] bool may_reply_within(Nanoseconds left) const noexcept {
    return left >= least_.estimate().value_or(Nanoseconds::min());
  }

 private:
  Hedging hedging_;
  Nanoseconds hedging_delay_;
  balancer::LatencyQuantile usual_{kHedgingQuantile};
  balancer::LatencyQuantile least_{kLeastQuantile};
  std::minstd_rand random_;
};

}  // namespace router
