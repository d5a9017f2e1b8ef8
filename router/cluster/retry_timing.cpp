// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/retry_timing.hpp"

#include <algorithm>

namespace router {
RetryTiming::RetryTiming(const RetryPolicy& policy, std::uint32_t seed)
    : hedging_{policy.hedging}, hedging_delay_{policy.hedging_delay}, random_{seed} {}

void RetryTiming::apply(const RetryPolicy& policy) {
  hedging_ = policy.hedging;
  hedging_delay_ = policy.hedging_delay;
}

void RetryTiming::on_silence(Nanoseconds waited) noexcept {
  if (const auto usual = usual_.estimate(); usual && waited > *usual) {
    usual_.observe(waited);
  }
}

Nanoseconds RetryTiming::pause_before(std::uint32_t n) {
  const Nanoseconds longest =
      std::min<Nanoseconds>(kBasePause * (std::int64_t{1} << (n - 1)), kLongestPause);
  return Nanoseconds{std::uniform_int_distribution<std::int64_t>{0, longest.count()}(random_)};
}

std::optional<Nanoseconds> RetryTiming::hedging_delay() const noexcept {
  switch (hedging_) {
    case Hedging::none:
      return std::nullopt;
    case Hedging::fixed:
      return hedging_delay_;
    case Hedging::p95:
      return usual_.estimate();
  }
  return std::nullopt;
}

}  // namespace router
