// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/deadline.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace test {

/// Owner of a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_{fd} {}
  Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }

  void close() noexcept;
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Non-blocking listener on 127.0.0.1; port 0 lets the kernel choose. A given port may be in
/// TIME_WAIT.
[[nodiscard]] Fd listen_on_loopback(std::uint16_t port);
[[nodiscard]] std::uint16_t local_port(const Fd& socket);
/// The next waiting connection, non-blocking; a closed one if none waits.
[[nodiscard]] Fd accept_from(const Fd& listener);
/// Non-blocking connection to 127.0.0.1, established. With `from`, its source address (any of
/// 127.0.0.0/8).
[[nodiscard]] Fd connect_to_loopback(std::uint16_t port, const std::string& from = {});
/// A port of loopback on which nobody listens: connections are refused.
[[nodiscard]] std::uint16_t unused_port();

/// From now on the kernel drops whatever comes in, and answers nothing: to its peer it is as if the
/// machine behind the socket had lost its power.
void cut_off(int socket);

/// Closes by a reset, as the kernel does for who dies with bytes unread.
void reset(Fd& socket);

/// Waits until one of `poll_events` (POLLIN, POLLOUT) holds; throws when the deadline has passed.
void wait_for(const Fd& socket, short poll_events, const Deadline& deadline);

/// What one read gave.
struct Received {
  std::string bytes{};  ///< empty if there was nothing to read, or at the end
  bool closed = false;  ///< by the peer, in order or by reset
};
/// Reads what is there, without waiting.
[[nodiscard]] Received receive_some(const Fd& socket);
/// Writes as much as the socket takes, without waiting; `nullopt` if the peer is gone.
[[nodiscard]] std::optional<std::size_t> send_some(const Fd& socket, std::string_view bytes);
/// Writes all; throws if the peer is gone or does not take it in time.
void send_all(const Fd& socket, std::string_view bytes, const Deadline& deadline);

}  // namespace test
