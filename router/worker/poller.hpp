// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/descriptor.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <sys/epoll.h>

namespace router {

/// Something that waits for its socket.
class Pollable {
 public:
  Pollable(const Pollable&) = delete;
  Pollable& operator=(const Pollable&) = delete;
  /// The socket can be read, or written, or has an error that the next read or write will tell.
  virtual void on_ready(bool readable, bool writable) = 0;
  /// Of one that watches for that alone (`Poller::watch_for_end`): the peer has sent its last byte;
  /// or `is_lost`, the connection has failed, which the next read or write will tell.
  virtual void on_peer_end(bool /*is_lost*/) {}

 protected:
  Pollable() = default;
  ~Pollable() = default;

 private:
  friend class Poller;
  std::uint32_t interest_ = 0;  ///< EPOLLIN, EPOLLOUT; or `Poller::kEnd`
};

/// The sockets of one core: epoll(7), level-triggered but for `watch_for_end`. A socket is made
/// known once; each wait for all of them is one system call.
class Poller {
 public:
  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller() = default;

  /// From now on `what` hears in each turn in which its socket is ready for any of the two.
  /// Neither: it hears nothing more.
  void watch(int socket, Pollable& what, bool to_read, bool to_write);
  /// From now on `what` hears of its peer's end and of nothing else, once for each of the two that
  /// `on_peer_end` tells: what nobody reads stays there, and would otherwise be told of in each
  /// turn.
  void watch_for_end(int socket, Pollable& what);
  /// Before the socket is closed, which ends the watching, or `what` is destroyed.
  void forget(Pollable& what) noexcept;

  /// Waits until one is ready, but no longer than `patience`, in whole milliseconds; `max()` is for
  /// ever.
  void wait(std::chrono::milliseconds patience);
  /// Tells those that were ready then.
  void serve();

 private:
  /// Of one turn; what is ready beyond them comes in the next.
  static constexpr std::size_t kMaxReady = 256;
  static constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLET;

  void set_interest(int socket, Pollable& what, std::uint32_t wanted);

  Descriptor epoll_;
  std::array<epoll_event, kMaxReady> ready_{};
  std::size_t n_ready_ = 0;  ///< in `ready_`, until they have been served
};

}  // namespace router
