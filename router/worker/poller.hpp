// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <sys/epoll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace router {

class Loop;

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

/// The sockets of one core's connections, in an epoll set of their own inside Asio's.
///
/// A wait through Asio costs a system call each time; here a socket is made known once. All that
/// are ready are served in one turn.
class Poller {
 public:
  explicit Poller(Loop& loop);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller() = default;

  /// From now on `what` hears in each turn in which its socket is ready for any of the two.
  /// Neither: it hears nothing more.
  void watch(int socket, Pollable& what, bool to_read, bool to_write);
  /// Before the socket is closed, which ends the watching, or `what` is destroyed.
  void forget(Pollable& what) noexcept;

 private:
  /// Of one turn; what is ready beyond them comes in the next.
  static constexpr std::size_t kMaxReady = 256;

  void wait();
  void serve();

  Loop& loop_;
  boost::asio::posix::stream_descriptor epoll_;
  std::array<epoll_event, kMaxReady> ready_{};
  std::size_t n_ready_ = 0;  ///< in `ready_`, while they are being served
};

}  // namespace router
