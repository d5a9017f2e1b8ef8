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

 protected:
  Pollable() = default;
  ~Pollable() = default;

 private:
  friend class Poller;
  std::uint32_t interest_ = 0;  ///< EPOLLIN, EPOLLOUT
};

/// The sockets of one core: epoll(7), level-triggered. A socket is made known once; each wait for
/// all of them is one system call.
class Poller {
 public:
  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller() = default;

  /// From now on `what` hears in each turn in which its socket is ready for any of the two.
  /// Neither: it hears nothing more.
  void watch(int socket, Pollable& what, bool to_read, bool to_write);
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

  Descriptor epoll_;
  std::array<epoll_event, kMaxReady> ready_{};
  std::size_t n_ready_ = 0;  ///< in `ready_`, until they have been served
};

}  // namespace router
