// SPDX-License-Identifier: Apache-2.0
#include "router/worker/loop.hpp"

#include <algorithm>
#include <utility>

namespace router {

Loop::Loop(telemetry::CoreMetrics& metrics, Clock clock)
    : metrics_{metrics}, clock_{std::move(clock)}, now_{clock_()}, timers_{now_} {}

void Loop::run() {
  while (!is_stopped_) {
    turn(std::chrono::milliseconds::max());
  }
}

void Loop::stop() {
  post([this] { is_stopped_ = true; });
}

void Loop::turn(std::chrono::milliseconds patience) {
  poller_.wait(std::min(patience, time_to_next_turn()));
  now_ = clock_();
  for (const auto& task : std::exchange(next_turn_, {})) {
    task();
  }
  poller_.serve();
  fire_timers();
  end_turn();
}

std::chrono::milliseconds Loop::time_to_next_turn() const {
  if (!next_turn_.empty() || !to_flush_.empty() || !to_destroy_.empty()) {
    return {};
  }
  if (wake_at_ == TimePoint::max()) {
    return std::chrono::milliseconds::max();
  }
  const auto left = wake_at_ - clock_();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), {});
}

void Loop::arm(Timer& timer, TimePoint at) {
  timers_.arm(timer, at);
  if (at < wake_at_) {
    find_wake_time();
  }
}

void Loop::find_wake_time() {
  wake_at_ = timers_.next_wake().value_or(TimePoint::max());
}

void Loop::fire_timers() {
  if (now_ >= wake_at_) {
    timers_.advance(now_);
    find_wake_time();
  }
}

void Loop::flush_later(Flushable& what) {
  if (!what.is_queued_) {
    what.is_queued_ = true;
    to_flush_.push_back(&what);
  }
}

void Loop::forget(Flushable& what) noexcept {
  if (what.is_queued_) {
    what.is_queued_ = false;
    std::replace(to_flush_.begin(), to_flush_.end(), &what, static_cast<Flushable*>(nullptr));
  }
}

void Loop::destroy_later(std::unique_ptr<Disposable> what) {
  to_destroy_.push_back(std::move(what));
}

void Loop::end_turn() {
  // By index: a flush may queue further ones, which belong to this turn too.
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {  // NOLINT(modernize-loop-convert)
    if (Flushable* what = to_flush_[i]; what != nullptr) {
      what->is_queued_ = false;
      to_flush_[i] = nullptr;
      what->flush();
    }
  }
  to_flush_.clear();
  // Destructors may hand over more; those wait for the next turn, which follows at once.
  dying_.swap(to_destroy_);
  dying_.clear();
  post_buffers();
  if (clock_() - now_ > kSlowTurn) {
    metrics_.figure(telemetry::CoreFigure::loop_turns_slow).add();
  }
}

void Loop::post_buffers() {
  metrics_.figure(telemetry::CoreFigure::buffer_bytes)
      .set(static_cast<std::uint64_t>(buffers_.n_bytes()));
  if (buffers_.post()) {
    metrics_.hit(telemetry::Limit::buffer_bytes);
  }
}

}  // namespace router
