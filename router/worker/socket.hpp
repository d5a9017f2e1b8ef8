// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/worker/descriptor.hpp"

#include <cstddef>
#include <span>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// A TCP socket that never blocks. Errors are those of errno.
class Socket : public Descriptor {
 public:
  /// The descriptor must not block.
  using Descriptor::Descriptor;

  [[nodiscard]] static Result<Socket> open(const boost::asio::ip::tcp& family);
  /// Binds to the address, and listens with the longest queue that the kernel has.
  [[nodiscard]] error_code listen(const boost::asio::ip::tcp::endpoint& address);
  /// Of a listening one. EAGAIN: nobody waits.
  [[nodiscard]] Result<Socket> accept();
  /// EINPROGRESS: it can be written once `error` tells how that went.
  [[nodiscard]] error_code connect(const boost::asio::ip::tcp::endpoint& peer);
  /// What went wrong without being asked for.
  [[nodiscard]] error_code error() const;
  [[nodiscard]] error_code set_option(int level, int option, int value);

  /// At most so many bytes; none at the peer's end. EAGAIN: not now.
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> into);
  [[nodiscard]] Result<std::size_t> write(std::span<const std::byte> bytes);

  [[nodiscard]] Result<boost::asio::ip::tcp::endpoint> address() const;
  /// Where it is connected to; an IPv4 address is never in its IPv6 form. Unspecified if the peer
  /// has gone already.
  [[nodiscard]] boost::asio::ip::address peer() const;
};

/// Whether a socket is merely not ready, or the call was interrupted.
[[nodiscard]] bool is_not_ready(const error_code& error) noexcept;

}  // namespace router
