// SPDX-License-Identifier: Apache-2.0
#include "tests/support/socket.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace test {
namespace {

[[noreturn]] void fail_with_errno(const std::string& what) {
  throw Failure{what + ": " + std::generic_category().message(errno)};
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void bind_to(const Fd& socket, const sockaddr_in& address) {
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail_with_errno("bind");
  }
}

Fd new_socket() {
  Fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket.is_open()) {
    fail_with_errno("socket");
  }
  return socket;
}

void send_without_delay(const Fd& socket) {
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::close() noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

Fd listen_on_loopback(std::uint16_t port) {
  Fd socket = new_socket();
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind_to(socket, loopback(port));
  if (listen(socket.get(), SOMAXCONN) != 0) {
    fail_with_errno("listen");
  }
  return socket;
}

std::uint16_t local_port(const Fd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail_with_errno("getsockname");
  }
  return ntohs(address.sin_port);
}

Fd accept_from(const Fd& listener) {
  Fd socket{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (socket.is_open()) {
    send_without_delay(socket);
  }
  return socket;
}

void cut_off(int socket) {
  // The kernel would send it again and again, and so give a sign of life.
  eventually("all that was sent to be acknowledged", [socket] {
    int n_bytes = 0;
    return ioctl(socket, SIOCOUTQ, &n_bytes) == 0 && n_bytes == 0;
  });
  sock_filter drop_all{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &drop_all};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    fail_with_errno("SO_ATTACH_FILTER");
  }
}

void reset(Fd& socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0) {
    fail_with_errno("SO_LINGER");
  }
  socket.close();
}

Fd connect_to_loopback(std::uint16_t port, const std::string& from) {
  Fd socket = new_socket();
  if (!from.empty()) {
    sockaddr_in source = loopback(0);
    if (inet_pton(AF_INET, from.c_str(), &source.sin_addr) != 1) {
      throw Failure{"not an address: " + from};
    }
    bind_to(socket, source);
  }
  send_without_delay(socket);
  const sockaddr_in address = loopback(port);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EINPROGRESS) {
      fail_with_errno("connect to port " + std::to_string(port));
    }
    wait_for(socket, POLLOUT, Deadline{"a connection to port " + std::to_string(port)});
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      errno = error;
      fail_with_errno("connect to port " + std::to_string(port));
    }
  }
  return socket;
}

std::uint16_t unused_port() {
  // Bound but not listening would refuse connections too, yet only for as long as it stays open;
  // the kernel hands out ephemeral ports in such an order that this one does not come again soon.
  const Fd socket = new_socket();
  bind_to(socket, loopback(0));
  return local_port(socket);
}

void wait_for(const Fd& socket, short poll_events, const Deadline& deadline) {
  pollfd wanted{.fd = socket.get(), .events = poll_events, .revents = 0};
  for (;;) {
    const int n = poll(&wanted, 1, deadline.remaining_ms());
    if (n > 0) {
      return;
    }
    if (n < 0 && errno != EINTR) {
      fail_with_errno("poll");
    }
    if (deadline.has_passed()) {
      deadline.fail();
    }
  }
}

Received receive_some(const Fd& socket) {
  std::array<char, 64 * std::size_t{1024}>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by recv
  const ssize_t n = recv(socket.get(), buffer.data(), buffer.size(), 0);
  if (n > 0) {
    return {.bytes = std::string(buffer.data(), static_cast<std::size_t>(n))};
  }
  const bool nothing_yet = n < 0 && (errno == EAGAIN || errno == EINTR);
  return {.bytes = {}, .closed = !nothing_yet};
}

std::optional<std::size_t> send_some(const Fd& socket, std::string_view bytes) {
  const ssize_t n = send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) {
    return static_cast<std::size_t>(n);
  }
  if (errno == EAGAIN || errno == EINTR) {
    return 0;
  }
  return std::nullopt;
}

void send_all(const Fd& socket, std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const auto n = send_some(socket, bytes);
    if (!n) {
      fail_with_errno("send");
    }
    bytes.remove_prefix(*n);
    if (!bytes.empty()) {
      wait_for(socket, POLLOUT, deadline);
    }
  }
}

}  // namespace test
