// SPDX-License-Identifier: Apache-2.0
#include "router/worker/socket.hpp"

#include "router/worker/unmapped.hpp"

#include <cerrno>
#include <sys/socket.h>

namespace router {

using boost::asio::ip::tcp;

namespace {

Result<std::size_t> counted(ssize_t result) {
  if (result < 0) {
    return last_error();
  }
  return static_cast<std::size_t>(result);
}

error_code checked(int result) noexcept {
  return result == 0 ? error_code{} : last_error();
}

Result<tcp::endpoint> endpoint_by(int (*ask)(int, sockaddr*, socklen_t*) noexcept, int descriptor) {
  tcp::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (ask(descriptor, endpoint.data(), &size) != 0) {
    return last_error();
  }
  endpoint.resize(size);
  return endpoint;
}

}  // namespace

bool is_not_ready(const error_code& error) noexcept {
  return error.value() == EAGAIN || error.value() == EINTR;
}

Result<Socket> Socket::open(const tcp& family) {
  const int made = ::socket(family.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made < 0) {
    return last_error();
  }
  return Socket{made};
}

error_code Socket::listen(const tcp::endpoint& address) {
  const error_code bound =
      checked(::bind(number(), address.data(), static_cast<socklen_t>(address.size())));
  return bound ? bound : checked(::listen(number(), SOMAXCONN));
}

Result<Socket> Socket::accept() {
  const int taken = ::accept4(number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (taken < 0) {
    return last_error();
  }
  return Socket{taken};
}

error_code Socket::connect(const tcp::endpoint& peer) {
  return checked(::connect(number(), peer.data(), static_cast<socklen_t>(peer.size())));
}

error_code Socket::error() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return last_error();
  }
  return {error, boost::system::system_category()};
}

error_code Socket::set_option(int level, int option, int value) {
  return checked(::setsockopt(number(), level, option, &value, sizeof value));
}

Result<std::size_t> Socket::read(std::span<std::byte> into) {
  return counted(::recv(number(), into.data(), into.size(), 0));
}

Result<std::size_t> Socket::write(std::span<const std::byte> bytes) {
  return counted(::send(number(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

Result<tcp::endpoint> Socket::address() const {
  return endpoint_by(&::getsockname, number());
}

boost::asio::ip::address Socket::peer() const {
  const auto endpoint = endpoint_by(&::getpeername, number());
  return endpoint ? unmapped(endpoint->address()) : boost::asio::ip::address{};
}

}  // namespace router
