// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/socket.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <thread>

namespace test {

/// A long way to a port of loopback: whoever connects to `port` is connected to it, and each byte
/// arrives `one_way` after it was sent, in both directions. Any number may be on their way. It has
/// a thread of its own.
class DelayedLink {
 public:
  DelayedLink(std::uint16_t target, Milliseconds one_way);
  DelayedLink(const DelayedLink&) = delete;
  DelayedLink& operator=(const DelayedLink&) = delete;
  ~DelayedLink();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  struct Piece {
    TimePoint due;
    std::string bytes;
  };
  struct Direction {
    Fd* from;
    Fd* to;
    std::deque<Piece> under_way{};
    bool has_ended = false;  ///< its end is on its way behind the last piece
    TimePoint end_due{};
  };
  struct Connection {
    Fd near;
    Fd far;
    Direction there{&near, &far};
    Direction back{&far, &near};
  };

  void run();
  void accept_all();
  void take_in(Direction& direction) const;
  /// False once its end has arrived, or its receiver is gone.
  static bool deliver(Direction& direction);
  [[nodiscard]] int until_next_ms() const;

  std::uint16_t target_;
  Milliseconds one_way_;
  Fd listener_;
  std::uint16_t port_;
  std::list<Connection> connections_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;  ///< last: it uses the others
};

}  // namespace test
