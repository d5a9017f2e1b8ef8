// SPDX-License-Identifier: Apache-2.0
#include "router/worker/poller.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <span>

namespace router {

Poller::Poller() : epoll_{required(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")} {}

void Poller::watch(int socket, Pollable& what, bool to_read, bool to_write) {
  set_interest(socket, what, (to_read ? EPOLLIN : 0U) | (to_write ? EPOLLOUT : 0U));
}

void Poller::watch_for_end(int socket, Pollable& what) {
  set_interest(socket, what, kEnd);
}

void Poller::set_interest(int socket, Pollable& what, std::uint32_t wanted) {
  if (wanted == what.interest_) {
    return;
  }
  // Without interest epoll would still tell of errors, in each turn: so it is not in the set then.
  const int operation =
      what.interest_ == 0 ? EPOLL_CTL_ADD : (wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD);
  epoll_event event{.events = wanted, .data = {.ptr = &what}};
  if (::epoll_ctl(epoll_.number(), operation, socket, &event) != 0) {
    throw std::bad_alloc{};  // the kernel's memory is short: not survivable, see docs/errors.md
  }
  what.interest_ = wanted;
}

void Poller::forget(Pollable& what) noexcept {
  what.interest_ = 0;
  for (epoll_event& event : std::span{ready_}.first(n_ready_)) {
    if (event.data.ptr == &what) {
      event.data.ptr = nullptr;
    }
  }
}

void Poller::wait(std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kLongest{std::numeric_limits<int>::max()};
  const int timeout_ms = patience == std::chrono::milliseconds::max()
                             ? -1
                             : static_cast<int>(std::min(patience, kLongest).count());
  const int n_ready =
      ::epoll_wait(epoll_.number(), ready_.data(), static_cast<int>(ready_.size()), timeout_ms);
  n_ready_ = static_cast<std::size_t>(std::max(n_ready, 0));  // -1: interrupted
}

void Poller::serve() {
  for (std::size_t i = 0; i < n_ready_; ++i) {
    if (ready_[i].data.ptr == nullptr) {
      continue;  // gone in this turn
    }
    auto& what = *static_cast<Pollable*>(ready_[i].data.ptr);
    const std::uint32_t events = ready_[i].events;
    if (what.interest_ == kEnd) {
      // EPOLLHUP alone says that both sides have ended, each in order.
      if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        what.on_peer_end((events & EPOLLERR) != 0);
      }
      continue;
    }
    const bool has_failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
    const std::uint32_t is_ready = has_failed ? what.interest_ : events;
    what.on_ready((is_ready & EPOLLIN) != 0, (is_ready & EPOLLOUT) != 0);
  }
  n_ready_ = 0;
}

}  // namespace router
