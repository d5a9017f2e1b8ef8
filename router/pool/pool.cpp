// SPDX-License-Identifier: Apache-2.0
#include "router/pool/pool.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace router {

using telemetry::CoreFigure;
using telemetry::UpstreamState;

Pool::Pool(const PoolContext& context, const ConnectOptions& options, PoolEvents& events)
    : context_{context},
      options_{options},
      events_{events},
      streams_each_{options.is_http1 ? 1 : kExpectedStreams} {}

Pool::~Pool() {
  for (std::vector<Entry>* const entries : {&connections_, &tunnels_}) {
    for (Entry& entry : *entries) {
      gauge(entry.state).subtract();
      context_.loop.destroy_later(std::move(entry.connection));
    }
  }
}

void Pool::set_state(Entry& entry, UpstreamState state) {
  gauge(entry.state).subtract();
  entry.state = state;
  gauge(entry.state).add();
}

std::size_t Pool::count(UpstreamState state) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(), [state](const Entry& entry) {
        return entry.state == state;
      }));
}

void Pool::acquire(PoolWaiter& waiter, const QueuePlace& place) {
  UpstreamConnection* const connection = waiters_.empty() ? take_connection() : nullptr;
  if (connection != nullptr) {
    waiter.on_connection(*connection);
    return;
  }
  waiters_.push(waiter, place);
  serve_waiters();
}

UpstreamConnection* Pool::take_connection() {
  // The first with room: so a burst's further connections fall idle, and are closed, when it is
  // over.
  const auto found = std::find_if(connections_.begin(), connections_.end(), [](const Entry& entry) {
    return entry.connection->free_streams() > 0;
  });
  return found == connections_.end() ? nullptr : found->connection.get();
}

void Pool::serve_waiters() {
  while (!waiters_.empty()) {
    UpstreamConnection* const connection = take_connection();
    if (connection == nullptr) {
      open_if_short();
      return;
    }
    waiters_.pop().on_connection(*connection);
  }
}

void Pool::open_if_short() {
  const std::size_t expected = count(UpstreamState::connecting) * streams_each_;
  const std::size_t limit = options_.is_http1 ? kMaxHttp1Connections : kMaxH2Connections;
  const std::size_t n_usable = connections_.size() - count(UpstreamState::draining);
  if (n_usable < limit && waiters_.has_more_than(expected)) {
    open_connection();
  }
}

void Pool::open_connection() {
  context_.loop.metrics().figure(CoreFigure::upstream_connects).add();
  gauge(UpstreamState::connecting).add();
  connections_.push_back({.connection = context_.connections.connect(options_, *this)});
}

std::vector<Pool::Entry>::iterator Pool::find(std::vector<Entry>& entries,
                                              const UpstreamConnection& connection) {
  return std::find_if(entries.begin(), entries.end(), [&connection](const Entry& entry) {
    return entry.connection.get() == &connection;
  });
}

void Pool::on_connected(UpstreamConnection& connection) {
  Entry& entry = *find(connections_, connection);
  set_state(entry, UpstreamState::open);
  streams_each_ = std::max<std::size_t>(connection.free_streams(), 1);
  entry.idle_since = context_.loop.now();
  entry.old_at = old_at();
  tend_by(entry.old_at);
  events_.on_connect_succeeded();
  on_capacity(connection);
}

void Pool::on_capacity(UpstreamConnection& connection) {
  serve_waiters();
  if (connection.open_streams() == 0) {
    find(connections_, connection)->idle_since = context_.loop.now();
    tend_by(context_.loop.now() + options_.idle_timeout);
  }
}

void Pool::on_draining(UpstreamConnection& connection) {
  set_state(*find(connections_, connection), UpstreamState::draining);
  serve_waiters();
}

void Pool::on_tunnel(UpstreamConnection& connection) {
  const auto found = find(connections_, connection);
  set_state(*found, UpstreamState::tunnel);
  tunnels_.push_back(std::move(*found));
  connections_.erase(found);
  serve_waiters();  // there is room for another connection
}

void Pool::on_disconnected(UpstreamConnection& connection, bool connected, Errc reason) {
  remove(connection);
  if (connected) {
    serve_waiters();
    return;
  }
  // Not the endpoint's fault: there was no socket for it, or it is not wanted any more.
  if (reason != Errc::queue_timeout && !is_retiring_) {
    context_.loop.metrics().figure(CoreFigure::upstream_connects_failed).add();
    events_.on_connect_failed(reason);
  }
  if (!is_connected()) {
    fail_waiters(reason);
  } else if (!waiters_.empty() && !reopen_timer_.is_armed()) {
    context_.loop.arm(reopen_timer_, context_.loop.now() + kReopenPause);
  }
}

void Pool::remove(UpstreamConnection& connection) {
  for (std::vector<Entry>* const entries : {&connections_, &tunnels_}) {
    const auto found = find(*entries, connection);
    if (found != entries->end()) {
      gauge(found->state).subtract();
      context_.loop.destroy_later(std::move(found->connection));
      entries->erase(found);
      return;
    }
  }
}

void Pool::fail_waiters(Errc reason) {
  // Those who come back from inside the call are not failed for it once more.
  auto failed = std::move(waiters_);
  while (!failed.empty()) {
    failed.pop().on_no_connection(reason);
  }
}

void Pool::retire() {
  fail_waiters(Errc::stream_refused);
  is_retiring_ = true;
  // By index from the end: `drain` may remove a connection at once.
  for (std::size_t i = connections_.size(); i > 0; --i) {
    connections_[i - 1].connection->drain();
  }
  is_retiring_ = false;
}

void Pool::tend_by(TimePoint at) {
  if (at < tended_at_) {
    tended_at_ = at;
    context_.loop.arm(tend_timer_, at);
  }
}

TimePoint Pool::old_at() const noexcept {
  const TimePoint now = context_.loop.now();
  if (options_.max_age == std::chrono::nanoseconds{0}) {
    return TimePoint::max();
  }
  // When a connection opens is chance enough between routers.
  std::minstd_rand random{static_cast<std::uint32_t>(now.time_since_epoch().count())};
  const double part =
      std::uniform_real_distribution<double>{1 - kAgeJitter, 1 + kAgeJitter}(random);
  return now + std::chrono::duration_cast<std::chrono::nanoseconds>(options_.max_age * part);
}

void Pool::tend() {
  const TimePoint now = context_.loop.now();
  tended_at_ = TimePoint::max();
  TimePoint next = TimePoint::max();
  for (std::size_t i = connections_.size(); i > 0; --i) {
    Entry& entry = connections_[i - 1];
    const bool is_idle =
        entry.idle_since != TimePoint::max() && entry.connection->open_streams() == 0;
    const TimePoint due = std::min(
        is_idle ? entry.idle_since + options_.idle_timeout : TimePoint::max(), entry.old_at);
    if (due <= now) {
      entry.old_at = TimePoint::max();
      entry.connection->drain();  // which may remove it
    } else {
      next = std::min(next, due);
    }
  }
  tend_by(next);
}

}  // namespace router
