// SPDX-License-Identifier: Apache-2.0
#include "router/worker/loop.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

namespace router {

Loop::Loop(boost::asio::io_context& io, telemetry::CoreMetrics& metrics)
    : io_{io},
      metrics_{metrics},
      now_{std::chrono::steady_clock::now()},
      turn_began_at_{now_},
      timers_{now_},
      wake_timer_{io},
      poller_{*this} {}

void Loop::begin_turn() {
  now_ = std::chrono::steady_clock::now();
}

void Loop::arm(Timer& timer, TimePoint at) {
  timers_.arm(timer, at);
  if (at < wake_at_) {
    schedule_wake();
  }
}

void Loop::flush_later(Flushable& what) {
  if (!what.is_queued_) {
    what.is_queued_ = true;
    to_flush_.push_back(&what);
    schedule_end_of_turn();
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
  schedule_end_of_turn();
}

void Loop::schedule_end_of_turn() {
  if (std::exchange(is_end_due_, true)) {
    return;
  }
  turn_began_at_ = now_;
  if (!is_end_at_hand_) {
    // Behind the handlers that are ready already: their output joins the same writes.
    boost::asio::post(io_, [this] { end_turn(); });
  }
}

void Loop::end_turn() {
  if (!std::exchange(is_end_due_, false)) {
    return;
  }
  // By index: a flush may queue further ones, which belong to this turn too.
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {  // NOLINT(modernize-loop-convert)
    if (Flushable* what = to_flush_[i]; what != nullptr) {
      what->is_queued_ = false;
      to_flush_[i] = nullptr;
      what->flush();
    }
  }
  to_flush_.clear();
  {
    // Destructors may hand over more; those wait for the next turn.
    const auto dead = std::exchange(to_destroy_, {});
  }
  post_buffers();
  if (std::chrono::steady_clock::now() - turn_began_at_ > kSlowTurn) {
    metrics_.figure(telemetry::CoreFigure::loop_turns_slow).add();
  }
}

void Loop::post_buffers() {
  telemetry::Cell& figure = metrics_.figure(telemetry::CoreFigure::buffer_bytes);
  figure.add(static_cast<std::uint64_t>(buffers_.n_bytes()) - figure.read());  // modulo 2^64
  if (buffers_.post()) {
    metrics_.hit(telemetry::Limit::buffer_bytes);
  }
}

void Loop::schedule_wake() {
  const auto next = timers_.next_wake();
  if (!next || *next >= wake_at_) {
    return;
  }
  wake_at_ = *next;
  wake_timer_.expires_at(wake_at_);
  wake_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) {
      return;  // set to an earlier time, or the loop is ending
    }
    begin_turn();
    wake_at_ = TimePoint::max();
    timers_.advance(now_);
    schedule_wake();
  });
}

}  // namespace router
