// SPDX-License-Identifier: Apache-2.0
#include "balancer/adaptive_limit.hpp"

#include <algorithm>

namespace balancer {

bool AdaptiveLimit::admit(std::uint64_t caller, TimePoint now) noexcept {
  if (now >= began_at_ + kWindow && ended_ >= kMinEnded) {
    end_window(now);
  }
  Caller& own = callers_[caller % kCallers];
  if (limit_ && under_way_ >= *limit_ && has_its_part(own)) {
    return false;
  }
  n_callers_ += own.under_way == 0 ? 1 : 0;
  ++own.under_way;
  ++under_way_;
  most_under_way_ = std::max(most_under_way_, under_way_);
  return true;
}

bool AdaptiveLimit::has_its_part(const Caller& caller) const noexcept {
  const std::uint32_t n_callers = n_callers_ + (caller.under_way == 0 ? 1 : 0);
  return caller.under_way + 1 > *limit_ / n_callers;
}

void AdaptiveLimit::leave(std::uint64_t caller, CallEnd how, TimePoint admitted_at) noexcept {
  Caller& own = callers_[caller % kCallers];
  --under_way_;
  --own.under_way;
  n_callers_ -= own.under_way == 0 ? 1 : 0;
  if (admitted_at >= cut_at_) {
    ++ended_;
    ++own.ended;
    late_ += how == CallEnd::late ? 1 : 0;
    own.late += how == CallEnd::late ? 1 : 0;
    quick_ += how == CallEnd::quick ? 1 : 0;
  }
}

std::optional<std::uint32_t> AdaptiveLimit::limit() const noexcept {
  return limit_ ? std::optional{static_cast<std::uint32_t>(*limit_)} : std::nullopt;
}

bool AdaptiveLimit::are_most_callers_late() const noexcept {
  int n_late = 0;
  int n_in_time = 0;
  for (const Caller& caller : callers_) {
    if (caller.ended > 0) {
      ++(caller.late > kLateShare * caller.ended ? n_late : n_in_time);
    }
  }
  return n_late > n_in_time;
}

void AdaptiveLimit::cut(double late_share, TimePoint now) noexcept {
  if (n_cuts_ == 0 || late_share < late_before_cuts_ / 2) {
    n_cuts_ = 0;
    late_before_cuts_ = late_share;
  }
  if (n_cuts_ == kMostCuts) {
    n_cuts_ = 0;
    limit_.reset();
    rests_until_ = now + kRest;
    return;
  }
  n_cuts_ += late_share < kAllLate ? 1 : 0;
  limit_ = std::max(kLeast, kCut * most_under_way_);
  cut_at_ = now;
}

void AdaptiveLimit::end_window(TimePoint now) noexcept {
  const double most = most_under_way_;
  const bool is_overloaded = are_most_callers_late() && quick_ < kQuickShare * ended_;
  if (is_overloaded && now >= rests_until_) {
    cut(late_ / static_cast<double>(ended_), now);
  } else if (!is_overloaded) {
    n_cuts_ = 0;
    if (limit_ && most < *limit_ / 2) {
      limit_.reset();
    } else if (limit_ && most + 1 >= *limit_) {
      limit_ = *limit_ * kGrowth;
    }
  }
  began_at_ = now;
  most_under_way_ = under_way_;
  ended_ = 0;
  late_ = 0;
  quick_ = 0;
  for (Caller& caller : callers_) {
    caller.ended = 0;
    caller.late = 0;
  }
}

}  // namespace balancer
