// SPDX-License-Identifier: Apache-2.0
#include "tests/support/delayed_link.hpp"

#include <algorithm>
#include <poll.h>
#include <vector>

namespace test {

DelayedLink::DelayedLink(std::uint16_t target, Milliseconds one_way)
    : target_{target},
      one_way_{one_way},
      listener_{listen_on_loopback(0)},
      port_{local_port(listener_)},
      thread_{[this] { run(); }} {}

DelayedLink::~DelayedLink() {
  is_over_ = true;
  thread_.join();
}

void DelayedLink::run() {
  while (!is_over_) {
    std::vector<pollfd> wanted{{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    for (const Connection& connection : connections_) {
      for (const Fd* end : {&connection.near, &connection.far}) {
        wanted.push_back({.fd = end->get(), .events = POLLIN, .revents = 0});
      }
    }
    poll(wanted.data(), wanted.size(), until_next_ms());
    accept_all();
    connections_.remove_if([this](Connection& connection) {
      take_in(connection.there);
      take_in(connection.back);
      return !deliver(connection.there) || !deliver(connection.back);
    });
  }
}

void DelayedLink::accept_all() {
  for (Fd near = accept_from(listener_); near.is_open(); near = accept_from(listener_)) {
    connections_.emplace_back(std::move(near), connect_to_loopback(target_));
  }
}

void DelayedLink::take_in(Direction& direction) const {
  if (direction.has_ended) {
    return;
  }
  const TimePoint due = SteadyClock::now() + one_way_;
  for (;;) {
    Received received = receive_some(*direction.from);
    if (!received.bytes.empty()) {
      direction.under_way.push_back({due, std::move(received.bytes)});
    }
    if (received.closed) {
      direction.has_ended = true;
      direction.end_due = due;
    }
    if (received.closed || direction.under_way.empty() || received.bytes.empty()) {
      return;
    }
  }
}

bool DelayedLink::deliver(Direction& direction) {
  const TimePoint now = SteadyClock::now();
  while (!direction.under_way.empty() && direction.under_way.front().due <= now) {
    Piece& piece = direction.under_way.front();
    const auto n_sent = send_some(*direction.to, piece.bytes);
    if (!n_sent) {
      return false;
    }
    piece.bytes.erase(0, *n_sent);
    if (!piece.bytes.empty()) {
      return true;  // its receiver is slow: asked again a moment later
    }
    direction.under_way.pop_front();
  }
  return !direction.has_ended || !direction.under_way.empty() || now < direction.end_due;
}

int DelayedLink::until_next_ms() const {
  constexpr Milliseconds kLongest{20};  // it is asked to end in between
  TimePoint next = SteadyClock::now() + kLongest;
  for (const Connection& connection : connections_) {
    for (const Direction* direction : {&connection.there, &connection.back}) {
      if (!direction->under_way.empty()) {
        next = std::min(
            next, std::max(direction->under_way.front().due, SteadyClock::now() + Milliseconds{1}));
      }
    }
  }
  return static_cast<int>(
      std::chrono::ceil<Milliseconds>(std::max(next - SteadyClock::now(), SteadyClock::duration{0}))
          .count());
}

}  // namespace test
