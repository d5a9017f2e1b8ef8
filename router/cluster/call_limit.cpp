// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/call_limit.hpp"

#include <algorithm>
#include <cmath>

namespace router {
namespace {

/// One writer: a load and a store do.
void change(std::atomic<std::uint32_t>& count, std::uint32_t by) noexcept {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

constexpr std::uint32_t kOneLess = ~std::uint32_t{0};

}  // namespace

CallLimit::Part& CallLimit::add_part() {
  return parts_.add();
}

std::uint32_t CallLimit::n_under_way() const noexcept {
  std::uint32_t n = 0;
  for (const Part* part = parts_.first(); part != nullptr; part = part->next) {
    n += part->n_under_way_.load(std::memory_order_relaxed);
  }
  return n;
}

std::uint32_t CallLimit::n_under_way_of(std::size_t caller) const noexcept {
  std::uint32_t n = 0;
  for (const Part* part = parts_.first(); part != nullptr; part = part->next) {
    n += part->n_under_way_of_[caller].load(std::memory_order_relaxed);
  }
  return n;
}

bool CallLimit::admit(Part& own, std::uint64_t caller, TimePoint now) {
  look(now);
  const std::size_t index = caller % kCallers;
  const std::uint32_t window = window_.load(std::memory_order_relaxed);
  if (const std::uint32_t limit = this->limit(); limit != kNone) {
    const std::uint32_t n_of_all = n_under_way();
    if (n_of_all >= limit && has_its_part(index, limit)) {
      return false;
    }
    own.most_under_way_of_all_.raise(window, n_of_all + 1);
  }
  change(own.n_under_way_, 1);
  change(own.n_under_way_of_[index], 1);
  own.most_under_way_.raise(window, own.n_under_way_.load(std::memory_order_relaxed));
  return true;
}

/// Whether one more would be more than an even part of the limit, among those who have calls under
/// way and this one.
bool CallLimit::has_its_part(std::size_t caller, std::uint32_t limit) const noexcept {
  const std::uint64_t wanted = n_under_way_of(caller) + 1;
  std::uint64_t n_callers = 1;
  for (std::size_t other = 0; other < kCallers && wanted * n_callers <= limit; ++other) {
    n_callers += other != caller && n_under_way_of(other) > 0 ? 1 : 0;
  }
  return wanted * n_callers > limit;
}

void CallLimit::leave(Part& own,
                      std::uint64_t caller,
                      balancer::CallEnd how,
                      TimePoint admitted_at,
                      TimePoint now) noexcept {
  const std::size_t index = caller % kCallers;
  change(own.n_under_way_, kOneLess);
  change(own.n_under_way_of_[index], kOneLess);
  if (admitted_at.time_since_epoch().count() < counts_from_.load(std::memory_order_relaxed)) {
    return;
  }
  const std::uint32_t window = window_.load(std::memory_order_relaxed);
  own.n_ended_.add(window);
  own.ended_of_[index].n.add(window);
  if (how == balancer::CallEnd::late) {
    own.n_late_.add(window);
    own.ended_of_[index].n_late.add(window);
  } else if (how == balancer::CallEnd::quick) {
    own.n_quick_.add(window);
  }
  const std::uint32_t n_timed = own.n_timed_.read(window);
  if (how != balancer::CallEnd::no_reply && n_timed < kTimed) {
    own.took_[n_timed].store((now - admitted_at).count(), std::memory_order_relaxed);
    own.n_timed_.add(window);
  }
}

bool CallLimit::is_too_early(TimePoint now) const noexcept {
  return now.time_since_epoch().count() < next_look_.load(std::memory_order_relaxed);
}

void CallLimit::look(TimePoint now) {
  if (is_too_early(now) || is_steered_.test(std::memory_order_relaxed) ||
      is_steered_.test_and_set(std::memory_order_acquire)) {
    return;
  }
  if (!is_too_early(now)) {  // else another worker has steered meanwhile, at a later time
    steer_if_due(now);
  }
  is_steered_.clear(std::memory_order_release);
}

void CallLimit::steer_if_due(TimePoint now) {
  const std::uint32_t window = window_.load(std::memory_order_relaxed);
  std::uint32_t n_ended = 0;
  for (const Part* part = parts_.first(); part != nullptr; part = part->next) {
    n_ended += part->n_ended_.read(window);
  }
  if (steering_.is_due(now, n_under_way(), n_ended)) {
    steering_.steer(now, gather(window));
    announce();
  } else {
    next_look_.store((now + kLookAgain).time_since_epoch().count(), std::memory_order_relaxed);
  }
}

balancer::CallWindow CallLimit::gather(std::uint32_t window) {
  balancer::CallWindow all;
  std::uint32_t most_of_all = began_with_;
  took_.clear();
  for (const Part* part = parts_.first(); part != nullptr; part = part->next) {
    all.n_ended += part->n_ended_.read(window);
    all.n_late += part->n_late_.read(window);
    all.n_quick += part->n_quick_.read(window);
    all.most_under_way += part->most_under_way_.read(window);
    most_of_all = std::max(most_of_all, part->most_under_way_of_all_.read(window));
    for (std::size_t i = 0; i < part->n_timed_.read(window); ++i) {
      took_.emplace_back(part->took_[i].load(std::memory_order_relaxed));
    }
  }
  // Without a limit only the sum of what each had at most is known, at different moments.
  all.most_under_way = limit() == kNone ? std::max(all.most_under_way, began_with_) : most_of_all;
  for (std::size_t caller = 0; caller < kCallers; ++caller) {
    std::uint32_t n_ended = 0;
    std::uint32_t n_late = 0;
    for (const Part* part = parts_.first(); part != nullptr; part = part->next) {
      n_ended += part->ended_of_[caller].n.read(window);
      n_late += part->ended_of_[caller].n_late.read(window);
    }
    if (n_ended > 0) {
      const bool is_late = n_late > balancer::AdaptiveLimit::kLateShare * n_ended;
      ++(is_late ? all.n_late_callers : all.n_served_callers);
    }
  }
  all.took = took_;
  return all;
}

void CallLimit::announce() noexcept {
  began_with_ = n_under_way();
  const auto limit = steering_.limit_in_force();
  limit_.store(limit ? static_cast<std::uint32_t>(std::ceil(*limit)) : kNone,
               std::memory_order_relaxed);
  counts_from_.store(steering_.counts_from().time_since_epoch().count(), std::memory_order_relaxed);
  next_look_.store(steering_.next_look().time_since_epoch().count(), std::memory_order_relaxed);
  window_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace router
