// SPDX-License-Identifier: Apache-2.0
#include "balancer/adaptive_limit.hpp"

#include <algorithm>
#include <utility>

namespace balancer {

bool AdaptiveLimit::admit(std::uint64_t caller, TimePoint now) noexcept {
  if (breath_ == Breath::draining) {
    drain(now);
  } else if (now >= began_at_ + kWindow && ended_ >= kMinEnded) {
    end_window(now);
  }
  Caller& own = callers_[caller % kCallers];
  if (limit_ && under_way_ >= limit_in_force() && has_its_part(own)) {
    return false;
  }
  n_callers_ += own.under_way == 0 ? 1 : 0;
  ++own.under_way;
  ++under_way_;
  most_under_way_ = std::max(most_under_way_, under_way_);
  return true;
}

double AdaptiveLimit::limit_in_force() const noexcept {
  return breath_ == Breath::none ? *limit_ : std::max(kLeast, kBreath * *limit_);
}

bool AdaptiveLimit::has_its_part(const Caller& caller) const noexcept {
  const std::uint32_t n_callers = n_callers_ + (caller.under_way == 0 ? 1 : 0);
  return caller.under_way + 1 > limit_in_force() / n_callers;
}

void AdaptiveLimit::leave(std::uint64_t caller,
                          CallEnd how,
                          TimePoint admitted_at,
                          TimePoint now) noexcept {
  Caller& own = callers_[caller % kCallers];
  --under_way_;
  --own.under_way;
  n_callers_ -= own.under_way == 0 ? 1 : 0;
  if (admitted_at >= cut_at_) {
    ++ended_;
    ++own.ended;
    taken_ns_ += std::chrono::duration<double, std::nano>{now - admitted_at}.count();
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
  const bool was_breath = std::exchange(breath_, Breath::none) != Breath::none;
  if (n_cuts_ == kMostCuts) {
    n_cuts_ = 0;
    limit_.reset();
    rests_until_ = now + kRest;
    return;
  }
  n_cuts_ += late_share < kAllLate ? 1 : 0;
  const double was_let_in = was_breath ? *limit_ : most_under_way_;  // but for the breath itself
  limit_ = std::max(kLeast, kCut * was_let_in);
  cut_at_ = now;
  n_unneeded_ = 0;
  unqueued_ns_.reset();
  windows_to_breath_ = kBeforeNextBreath;
}

void AdaptiveLimit::steer(TimePoint now) noexcept {
  const bool is_reached = most_under_way_ + 1 >= *limit_;
  n_unneeded_ = most_under_way_ < *limit_ / 2 ? n_unneeded_ + 1 : 0;
  if (breath_ == Breath::measuring) {
    end_breath();
  } else if (n_unneeded_ == kUnneededWindows) {
    limit_.reset();
  } else if (is_reached && --windows_to_breath_ <= 0) {
    breath_ = Breath::draining;
    before_breath_ns_ = mean_ns();
    // A queue drains in the time that a call takes to get through it.
    drained_by_ = now + std::chrono::duration_cast<TimePoint::duration>(
                            std::chrono::duration<double, std::nano>{2 * before_breath_ns_});
  } else if (unqueued_ns_ && mean_ns() > kTolerance * *unqueued_ns_) {
    const double gradient = kTolerance * *unqueued_ns_ / mean_ns();
    limit_ = std::max(kLeast, std::max(kCut, gradient) * *limit_);
  } else if (is_reached) {
    limit_ = *limit_ * kGrowth;
  }
}

void AdaptiveLimit::drain(TimePoint now) noexcept {
  if (under_way_ <= limit_in_force()) {
    breath_ = Breath::measuring;
    cut_at_ = now;  // those from before have waited in the queue
    begin_window(now);
  } else if (now > drained_by_) {
    breath_ = Breath::none;
    unqueued_ns_.reset();
    windows_to_breath_ = kBetweenBreaths;
    begin_window(now);
  }
}

void AdaptiveLimit::end_breath() noexcept {
  breath_ = Breath::none;
  unqueued_ns_ = mean_ns();
  const double kept = std::min(1.0, kTolerance * *unqueued_ns_ / before_breath_ns_);
  limit_ = std::max(kLeast, kept * *limit_);
  windows_to_breath_ = kept < kNearlyAll ? kBeforeNextBreath : kBetweenBreaths;
}

void AdaptiveLimit::end_window(TimePoint now) noexcept {
  const bool is_overloaded = are_most_callers_late() && quick_ < kQuickShare * ended_;
  if (is_overloaded && now >= rests_until_) {
    cut(late_ / static_cast<double>(ended_), now);
  } else if (!is_overloaded) {
    n_cuts_ = 0;
    if (limit_) {
      steer(now);
    }
  }
  begin_window(now);
}

void AdaptiveLimit::begin_window(TimePoint now) noexcept {
  began_at_ = now;
  most_under_way_ = under_way_;
  ended_ = 0;
  late_ = 0;
  quick_ = 0;
  taken_ns_ = 0;
  for (Caller& caller : callers_) {
    caller.ended = 0;
    caller.late = 0;
  }
}

}  // namespace balancer
