// SPDX-License-Identifier: Apache-2.0
#include "router/worker/timer_wheel.hpp"

#include <algorithm>

namespace router {

void Timer::cancel() noexcept {
  if (wheel_ != nullptr) {
    wheel_->unlink(*this);
  }
}

std::uint64_t TimerWheel::tick_of(TimePoint at) const noexcept {
  if (at <= start_) {
    return 0;
  }
  // Rounded up: a timer never fires early.
  const auto since_start = std::chrono::ceil<std::chrono::milliseconds>(at - start_);
  return static_cast<std::uint64_t>((since_start + kTick - std::chrono::milliseconds{1}) / kTick);
}

void TimerWheel::arm(Timer& timer, TimePoint at) noexcept {
  timer.cancel();
  timer.at_ = at;
  timer.wheel_ = this;
  timer.slot_ = static_cast<std::size_t>(std::max(tick_of(at), current_tick_) % kSlots);
  timer.previous_ = nullptr;
  timer.next_ = slots_[timer.slot_];
  if (timer.next_ != nullptr) {
    timer.next_->previous_ = &timer;
  }
  slots_[timer.slot_] = &timer;
  ++armed_;
}

void TimerWheel::unlink(Timer& timer) noexcept {
  if (cursor_ == &timer) {
    cursor_ = timer.next_;
  }
  if (timer.previous_ != nullptr) {
    timer.previous_->next_ = timer.next_;
  } else {
    slots_[timer.slot_] = timer.next_;
  }
  if (timer.next_ != nullptr) {
    timer.next_->previous_ = timer.previous_;
  }
  timer.previous_ = nullptr;
  timer.next_ = nullptr;
  timer.wheel_ = nullptr;
  --armed_;
}

void TimerWheel::fire_slot(std::size_t slot, TimePoint now) {
  cursor_ = slots_[slot];
  while (cursor_ != nullptr) {
    Timer& timer = *cursor_;
    cursor_ = timer.next_;
    if (timer.at_ <= now) {
      unlink(timer);
      timer.callback_(timer.owner_);
    }
  }
}

void TimerWheel::advance(TimePoint now) {
  if (now < start_) {
    return;
  }
  const auto now_tick = static_cast<std::uint64_t>((now - start_) / kTick);
  if (now_tick < current_tick_) {
    return;
  }
  // After a long sleep one round visits every slot; more would visit them again for nothing.
  const std::uint64_t n_slots = std::min<std::uint64_t>(now_tick - current_tick_ + 1, kSlots);
  const std::uint64_t first = now_tick + 1 - n_slots;
  for (std::uint64_t tick = first; tick <= now_tick; ++tick) {
    current_tick_ = tick;
    fire_slot(static_cast<std::size_t>(tick % kSlots), now);
  }
}

std::optional<TimePoint> TimerWheel::next_wake() const noexcept {
  if (armed_ == 0) {
    return std::nullopt;
  }
  // What hangs in the current slot has been fired, but for what was armed since; the rest of it
  // waits for a later round, and to wake for that at once would be to spin until the tick is over.
  if (is_due_in_current_slot()) {
    return start_ + kTick * static_cast<std::int64_t>(current_tick_);
  }
  std::uint64_t tick = current_tick_ + 1;
  while (slots_[static_cast<std::size_t>(tick % kSlots)] == nullptr) {
    ++tick;  // ends: an armed timer hangs in some slot
  }
  return start_ + kTick * static_cast<std::int64_t>(tick);
}

bool TimerWheel::is_due_in_current_slot() const noexcept {
  const Timer* timer = slots_[static_cast<std::size_t>(current_tick_ % kSlots)];
  while (timer != nullptr && tick_of(timer->at_) > current_tick_) {
    timer = timer->next_;
  }
  return timer != nullptr;
}

}  // namespace router
