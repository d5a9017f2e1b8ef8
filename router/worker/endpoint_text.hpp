// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// An address with its port as people write them: `10.0.0.1:8080`, `[fd00::1]:8080`. Source: RFC
/// 5952, section 6.
[[nodiscard]] std::string endpoint_text(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace router
