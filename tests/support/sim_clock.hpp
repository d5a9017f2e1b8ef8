// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace test {

/// A clock that moves only when the test says so. Sleepers wake in the order of their deadlines.
class SimClock final : public k8s_client::Clock {
 public:
  /// `loop` must outlive the clock. Declare the clock before what sleeps on it.
  explicit SimClock(boost::asio::io_context& loop) : loop_{loop} {}

  [[nodiscard]] TimePoint now() const override { return now_; }

  [[nodiscard]] UtcTime utc_now() const override {
    return UtcTime{std::chrono::duration_cast<UtcTime::duration>(now_.time_since_epoch())};
  }

  [[nodiscard]] boost::asio::awaitable<void> sleep_for(Duration delay) override {
    // A timer that never fires by itself; `advance` cancels it when its time has come.
    boost::asio::steady_timer timer{loop_, boost::asio::steady_timer::time_point::max()};
    const auto sleeper = sleepers_.emplace(now_ + delay, &timer);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    sleepers_.erase(sleeper);
  }

  /// Runs everything that is due up to `now() + by`, waking sleepers one by one.
  void advance(Duration by) {
    const TimePoint until = now_ + by;
    settle();
    while (!sleepers_.empty() && sleepers_.begin()->first <= until) {
      now_ = std::max(now_, sleepers_.begin()->first);
      sleepers_.begin()->second->cancel();
      settle();
    }
    now_ = until;
  }

  /// Runs everything that can go on without time passing.
  void settle() {
    loop_.restart();
    loop_.poll();
  }

 private:
  boost::asio::io_context& loop_;
  TimePoint now_{};
  std::multimap<TimePoint, boost::asio::steady_timer*> sleepers_;
};

}  // namespace test
