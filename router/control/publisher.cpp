// SPDX-License-Identifier: Apache-2.0
#include "router/control/publisher.hpp"

#include "k8s_client/cancellation.hpp"

#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace router::control {

namespace asio = boost::asio;

struct Publisher::State {
  State(const asio::any_io_executor& executor,
        k8s_client::Clock& time,
        std::function<void()> called)
      : clock{time},
        publish{std::move(called)},
        requested{executor, asio::steady_timer::time_point::max()} {}

  k8s_client::Clock& clock;
  std::function<void()> publish;
  asio::steady_timer requested;  // never expires; cancelled to wake the coroutine
  asio::cancellation_signal cancel;
  bool is_requested = false;  // something has changed since the last publication
  bool is_stopped = false;

  asio::awaitable<void> run();
};

asio::awaitable<void> Publisher::State::run() {
  while (!is_stopped) {
    if (!is_requested) {
      co_await requested.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    is_requested = false;
    publish();
    co_await clock.sleep_for(kInterval);
  }
}

Publisher::Publisher(const asio::any_io_executor& executor,
                     k8s_client::Clock& clock,
                     std::function<void()> publish)
    : state_{std::make_shared<State>(executor, clock, std::move(publish))} {
  // The handler holds the state for as long as the coroutine runs.
  auto on_end = [state = state_](const std::exception_ptr& thrown) {
    k8s_client::rethrow_unless_cancelled(thrown);
  };
  asio::co_spawn(executor,
                 state_->run(),
                 asio::bind_cancellation_slot(state_->cancel.slot(), std::move(on_end)));
}

Publisher::~Publisher() {
  stop();
}

void Publisher::request() {
  state_->is_requested = true;
  state_->requested.cancel();
}

void Publisher::stop() {
  state_->is_stopped = true;
  state_->cancel.emit(asio::cancellation_type::terminal);
}

}  // namespace router::control
