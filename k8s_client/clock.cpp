// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/clock.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace k8s_client {

namespace asio = boost::asio;

Clock::TimePoint SteadyClock::now() const {
  return std::chrono::steady_clock::now();
}

Clock::UtcTime SteadyClock::utc_now() const {
  return std::chrono::system_clock::now();
}

asio::awaitable<void> SteadyClock::sleep_for(Duration delay) {
  asio::steady_timer timer{co_await asio::this_coro::executor, delay};
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace k8s_client
