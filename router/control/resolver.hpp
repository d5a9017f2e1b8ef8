// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

namespace router::control {

/// What DNS says of a name.
struct DnsAnswer {
  std::vector<boost::asio::ip::address> addresses;  ///< none: it has none, or there is no such name
  std::chrono::seconds ttl{0};  ///< the least of them; meaningless without addresses
  bool v4_failed = false;       ///< no answer for A: nothing is known of the IPv4 addresses
  bool v6_failed = false;       ///< likewise for AAAA and IPv6
  std::string error;            ///< why a family failed; "" if none did
};

/// Looks names up in DNS. Control thread.
class Resolver {
 public:
  /// The IPv4 and IPv6 addresses of `name`, which is taken for an absolute one. Ends early when the
  /// awaiting coroutine is cancelled.
  [[nodiscard]] virtual boost::asio::awaitable<DnsAnswer> look_up(std::string name) = 0;

 protected:
  ~Resolver() = default;
};

}  // namespace router::control
