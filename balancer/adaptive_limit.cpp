// SPDX-License-Identifier: Apache-2.0
#include "balancer/adaptive_limit.hpp"

#include <algorithm>
#include <utility>

namespace balancer {
namespace {

double ratio(Nanoseconds one, Nanoseconds other) noexcept {
  return static_cast<double>(one.count()) / static_cast<double>(other.count());
}

}  // namespace

bool AdaptiveLimit::admit(std::uint64_t caller, TimePoint now) noexcept {
  if (breath_ != Breath::none && now > breath_ends_by_) {
    give_up_breath();
    begin_window(now);
  } else if (breath_ == Breath::draining) {
    drain(now);
  } else if (is_window_over(now)) {
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

/// What is measured in a breath lasts as long as calls took before: else only the shortest of them
/// would end in it.
bool AdaptiveLimit::is_window_over(TimePoint now) const noexcept {
  const Nanoseconds least =
      breath_ == Breath::measuring ? std::max<Nanoseconds>(kWindow, before_breath_) : kWindow;
  return ended_ >= kMinEnded && now >= began_at_ + least;
}

std::optional<Nanoseconds> AdaptiveLimit::median() noexcept {
  if (n_timed_ < kMinEnded) {
    return std::nullopt;
  }
  auto* const middle = timed_.begin() + n_timed_ / 2;
  std::nth_element(timed_.begin(), middle, timed_.begin() + n_timed_);
  return std::max(*middle, Nanoseconds{1});
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
    if (how != CallEnd::no_reply && n_timed_ < kTimed) {
      timed_[n_timed_++] = now - admitted_at;
    }
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
  unneeded_since_.reset();
  unqueued_.reset();
  windows_to_breath_ = kBeforeNextBreath;
}

void AdaptiveLimit::steer(TimePoint now) noexcept {
  if (breath_ == Breath::measuring) {
    end_breath();
    return;
  }
  if (most_under_way_ >= *limit_ / 2) {
    unneeded_since_.reset();
  } else if (!unneeded_since_) {
    unneeded_since_ = now;
  } else if (now - *unneeded_since_ >= kUnneeded) {
    limit_.reset();
    return;
  }
  if (most_under_way_ + 1 < *limit_) {
    return;
  }
  if (--windows_to_breath_ <= 0) {
    begin_breath(now);
  } else {
    follow_gradient();
  }
}

void AdaptiveLimit::follow_gradient() noexcept {
  const std::optional<Nanoseconds> took = unqueued_ ? median() : std::nullopt;
  const double gradient = took ? kTolerance * ratio(*unqueued_, *took) : 1;
  if (gradient >= 1) {
    limit_ = *limit_ * kGrowth;
    return;
  }
  const double least = std::max(kLeast, breath_left_ / 2);
  limit_ = std::max(least, gradient * *limit_);
  if (*limit_ == least) {
    windows_to_breath_ = 0;
  }
}

void AdaptiveLimit::begin_breath(TimePoint now) noexcept {
  const std::optional<Nanoseconds> took = median();
  if (!took || *took > kLongestBreath / 2) {
    give_up_breath();
    return;
  }
  breath_ = Breath::draining;
  before_breath_ = *took;
  breath_ends_by_ = now + kLongestBreath;
}

void AdaptiveLimit::drain(TimePoint now) noexcept {
  if (under_way_ <= limit_in_force()) {
    breath_ = Breath::measuring;
    cut_at_ = now;  // those from before have waited in the queue
    begin_window(now);
  }
}

void AdaptiveLimit::end_breath() noexcept {
  const std::optional<Nanoseconds> took = median();
  if (!took) {
    give_up_breath();
    return;
  }
  breath_ = Breath::none;
  unqueued_ = took;
  const double kept = std::min(1.0, kTolerance * ratio(*took, before_breath_));
  limit_ = std::max(kLeast, kept * *limit_);
  breath_left_ = *limit_;
  windows_to_breath_ = kept < kNearlyAll ? kBeforeNextBreath : kBetweenBreaths;
}

void AdaptiveLimit::give_up_breath() noexcept {
  breath_ = Breath::none;
  unqueued_.reset();
  windows_to_breath_ = kBetweenBreaths;
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
  n_timed_ = 0;
  for (Caller& caller : callers_) {
    caller.ended = 0;
    caller.late = 0;
  }
}

}  // namespace balancer
