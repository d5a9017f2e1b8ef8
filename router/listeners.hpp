// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/all_cores.hpp"
#include "router/config.hpp"
#include "router/errc.hpp"
#include "router/worker/core.hpp"

#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// `Core::listen` or `Core::listen_tls`.
using Listen =
    Result<boost::asio::ip::tcp::endpoint> (Core::*)(const boost::asio::ip::tcp::endpoint&);

/// Opens each of the addresses on all cores, which share its port. Before they run. Returns the
/// addresses as text, with the ports that the kernel has chosen. Throws StartFailure.
[[nodiscard]] std::vector<std::string> open_listeners(const Cores& cores,
                                                      const std::vector<ListenAddress>& addresses,
                                                      Listen listen);

/// As people write it; an empty host as the IPv6 wildcard.
[[nodiscard]] std::string text_of(const ListenAddress& address);

}  // namespace router
