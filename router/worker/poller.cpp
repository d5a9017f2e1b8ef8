// SPDX-License-Identifier: Apache-2.0
#include "router/worker/poller.hpp"

#include "router/worker/loop.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

namespace router {
namespace {

int make_epoll() {
  const int made = ::epoll_create1(EPOLL_CLOEXEC);
  if (made < 0) {
    throw std::system_error{errno, std::system_category(), "epoll_create1"};
  }
  return made;
}

}  // namespace

Poller::Poller(Loop& loop) : loop_{loop}, epoll_{loop.io(), make_epoll()} {
  wait();
}

void Poller::watch(int socket, Pollable& what, bool to_read, bool to_write) {
  const std::uint32_t wanted = (to_read ? EPOLLIN : 0U) | (to_write ? EPOLLOUT : 0U);
  if (wanted == what.interest_) {
    return;
  }
  // Without interest epoll would still tell of errors, in each turn: so it is not in the set then.
  const int operation =
      what.interest_ == 0 ? EPOLL_CTL_ADD : (wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD);
  epoll_event event{.events = wanted, .data = {.ptr = &what}};
  if (::epoll_ctl(epoll_.native_handle(), operation, socket, &event) != 0) {
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

void Poller::wait() {
  epoll_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (!error) {
                        loop_.run_turn([this] { serve(); });
                        wait();
                      }
                    });
}

void Poller::serve() {
  const int n_ready =
      ::epoll_wait(epoll_.native_handle(), ready_.data(), static_cast<int>(ready_.size()), 0);
  n_ready_ = static_cast<std::size_t>(std::max(n_ready, 0));  // -1: interrupted
  for (std::size_t i = 0; i < n_ready_; ++i) {
    if (ready_[i].data.ptr == nullptr) {
      continue;  // gone in this turn
    }
    auto& what = *static_cast<Pollable*>(ready_[i].data.ptr);
    const bool has_failed = (ready_[i].events & (EPOLLERR | EPOLLHUP)) != 0;
    const std::uint32_t is_ready = has_failed ? what.interest_ : ready_[i].events;
    what.on_ready((is_ready & EPOLLIN) != 0, (is_ready & EPOLLOUT) != 0);
  }
  n_ready_ = 0;
}

}  // namespace router
