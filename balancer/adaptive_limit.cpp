// SPDX-License-Identifier: Apache-2.0
#include "balancer/adaptive_limit.hpp"

#include <algorithm>

namespace balancer {

bool AdaptiveLimit::admit(TimePoint now) noexcept {
  if (now >= began_at_ + kWindow && ended_ >= kMinEnded) {
    end_window(now);
  }
  if (limit_ && under_way_ >= *limit_) {
    return false;
  }
  ++under_way_;
  most_under_way_ = std::max(most_under_way_, under_way_);
  return true;
}

void AdaptiveLimit::leave(bool late, TimePoint admitted_at) noexcept {
  --under_way_;
  if (admitted_at >= cut_at_) {
    ++ended_;
    late_ += late ? 1 : 0;
  }
}

std::optional<std::uint32_t> AdaptiveLimit::limit() const noexcept {
  return limit_ ? std::optional{static_cast<std::uint32_t>(*limit_)} : std::nullopt;
}

void AdaptiveLimit::end_window(TimePoint now) noexcept {
  const double most = most_under_way_;
  if (late_ > kLateShare * ended_) {
    limit_ = std::max(kLeast, kCut * most);
    cut_at_ = now;
  } else if (limit_ && most < *limit_ / 2) {
    limit_.reset();
  } else if (limit_ && most + 1 >= *limit_) {
    limit_ = *limit_ * kGrowth;
  }
  began_at_ = now;
  most_under_way_ = under_way_;
  ended_ = 0;
  late_ = 0;
}

}  // namespace balancer
