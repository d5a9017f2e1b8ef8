// SPDX-License-Identifier: Apache-2.0
#include "balancer/adaptive_limit.hpp"

#include <algorithm>
#include <utility>

namespace balancer {
namespace {

double ratio(Nanoseconds one, Nanoseconds other) noexcept {
  return static_cast<double>(one.count()) / static_cast<double>(other.count());
}

/// Nothing if they are too few to tell.
std::optional<Nanoseconds> median(std::span<Nanoseconds> took) noexcept {
  if (took.size() < AdaptiveLimit::kMinEnded) {
    return std::nullopt;
  }
  const auto middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
  std::nth_element(took.begin(), middle, took.end());
  return std::max(*middle, Nanoseconds{1});
}

}  // namespace

/// What is measured in a breath lasts as long as calls took before: else only the shortest of them
/// would end in it.
Nanoseconds AdaptiveLimit::shortest_window() const noexcept {
  return breath_ == Breath::measuring ? std::max<Nanoseconds>(kWindow, before_breath_) : kWindow;
}

bool AdaptiveLimit::is_breath_too_long(TimePoint now) const noexcept {
  return breath_ != Breath::none && now > breath_ends_by_;
}

bool AdaptiveLimit::is_due(TimePoint now,
                           std::uint32_t n_under_way,
                           std::uint32_t n_ended) const noexcept {
  if (is_breath_too_long(now)) {
    return true;
  }
  if (breath_ == Breath::draining) {
    return n_under_way <= *limit_in_force();
  }
  return n_ended >= kMinEnded && now >= began_at_ + shortest_window();
}

TimePoint AdaptiveLimit::next_look() const noexcept {
  switch (breath_) {
    case Breath::draining:
      return began_at_;
    case Breath::measuring:
      return std::min(began_at_ + shortest_window(), breath_ends_by_);
    case Breath::none:
      break;
  }
  return began_at_ + kWindow;
}

void AdaptiveLimit::steer(TimePoint now, const CallWindow& window) noexcept {
  if (is_breath_too_long(now)) {
    give_up_breath();
  } else if (breath_ == Breath::draining) {
    breath_ = Breath::measuring;
    cut_at_ = now;  // those from before have waited in the queue
  } else {
    end_window(now, window);
  }
  began_at_ = now;
}

std::optional<double> AdaptiveLimit::limit_in_force() const noexcept {
  if (breath_ == Breath::none) {
    return limit_;
  }
  return std::max(kLeast, kBreath * *limit_);
}

void AdaptiveLimit::end_window(TimePoint now, const CallWindow& window) noexcept {
  const bool is_overloaded = window.n_late_callers > window.n_served_callers &&
                             window.n_quick < kQuickShare * window.n_ended;
  if (is_overloaded && now >= rests_until_) {
    cut(now, window);
  } else if (!is_overloaded) {
    n_cuts_ = 0;
    if (limit_) {
      adjust(now, window);
    }
  }
}

void AdaptiveLimit::cut(TimePoint now, const CallWindow& window) noexcept {
  const double late_share = window.n_late / static_cast<double>(window.n_ended);
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
  // But for the breath itself:
  const double was_let_in = was_breath ? *limit_ : window.most_under_way;
  limit_ = std::max(kLeast, kCut * was_let_in);
  cut_at_ = now;
  unneeded_since_.reset();
  unqueued_.reset();
  windows_to_breath_ = kBeforeNextBreath;
}

void AdaptiveLimit::adjust(TimePoint now, const CallWindow& window) noexcept {
  if (breath_ == Breath::measuring) {
    end_breath(window);
    return;
  }
  if (window.most_under_way >= *limit_ / 2) {
    unneeded_since_.reset();
  } else if (!unneeded_since_) {
    unneeded_since_ = now;
  } else if (now - *unneeded_since_ >= kUnneeded) {
    limit_.reset();
    return;
  }
  if (window.most_under_way + 1 < *limit_) {
    return;
  }
  if (--windows_to_breath_ <= 0) {
    begin_breath(now, window);
  } else {
    follow_gradient(window);
  }
}

void AdaptiveLimit::follow_gradient(const CallWindow& window) noexcept {
  const std::optional<Nanoseconds> took = unqueued_ ? median(window.took) : std::nullopt;
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

void AdaptiveLimit::begin_breath(TimePoint now, const CallWindow& window) noexcept {
  const std::optional<Nanoseconds> took = median(window.took);
  if (!took || *took > kLongestBreath / 2) {
    give_up_breath();
    return;
  }
  breath_ = Breath::draining;
  before_breath_ = *took;
  breath_ends_by_ = now + kLongestBreath;
}

void AdaptiveLimit::end_breath(const CallWindow& window) noexcept {
  const std::optional<Nanoseconds> took = median(window.took);
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

}  // namespace balancer
