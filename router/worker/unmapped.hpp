// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/address.hpp>

namespace router {

/// An IPv4 address that is written as an IPv6 one (`::ffff:10.0.0.1`) as IPv4, any other as it is.
/// A dual-stack socket tells IPv4 peers so. Source: RFC 4291 section 2.5.5.2.
[[nodiscard]] inline boost::asio::ip::address unmapped(const boost::asio::ip::address& address) {
  namespace ip = boost::asio::ip;
  return address.is_v6() && address.to_v6().is_v4_mapped()
             ? ip::make_address_v4(ip::v4_mapped, address.to_v6())
             : address;
}

}  // namespace router
