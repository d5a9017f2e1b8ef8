// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include <boost/asio/awaitable.hpp>

namespace k8s_client {

/// The time, as this module is told it. Tests hand in one that moves only when they say so.
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;
  using UtcTime = std::chrono::system_clock::time_point;

  /// Monotonic; all waiting and backing off goes by it.
  [[nodiscard]] virtual TimePoint now() const = 0;

  /// Wall time, only for what people read: the stamps of Events.
  [[nodiscard]] virtual UtcTime utc_now() const = 0;

  /// Ends after `delay`, or early when the awaiting coroutine is cancelled.
  [[nodiscard]] virtual boost::asio::awaitable<void> sleep_for(Duration delay) = 0;

 protected:
  ~Clock() = default;  // never deleted through this interface
};

/// The machine's clocks. Any thread.
class SteadyClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override;
  [[nodiscard]] UtcTime utc_now() const override;
  [[nodiscard]] boost::asio::awaitable<void> sleep_for(Duration delay) override;
};

}  // namespace k8s_client
