// SPDX-License-Identifier: Apache-2.0
#include "router/listeners.hpp"

#include "router/start_failure.hpp"
#include "router/worker/endpoint_text.hpp"

#include <cstddef>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace router {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

tcp::endpoint endpoint_of(const ListenAddress& address) {
  if (address.host.empty()) {
    return {tcp::v6(), address.port};
  }
  return {asio::ip::make_address(address.host), address.port};
}

tcp::endpoint open_first(Core& core, const ListenAddress& address, Listen listen) {
  auto opened = (core.*listen)(endpoint_of(address));
  if (!opened && address.host.empty() &&
      opened.error() == asio::error::address_family_not_supported) {
    opened = (core.*listen)({tcp::v4(), address.port});  // a machine without IPv6
  }
  if (!opened) {
    throw StartFailure{
        1, fmt::format("cannot listen on {}: {}", text_of(address), opened.error().message())};
  }
  return *opened;
}

}  // namespace

std::vector<std::string> open_listeners(const Cores& cores,
                                        const std::vector<ListenAddress>& addresses,
                                        Listen listen) {
  std::vector<std::string> texts;
  for (const ListenAddress& address : addresses) {
    // The first core takes the port, or the one that the kernel chooses; the others share it.
    const tcp::endpoint first = open_first(*cores.front(), address, listen);
    texts.push_back(endpoint_text(first));
    for (std::size_t i = 1; i < cores.size(); ++i) {
      if (const auto shared = (*cores[i].*listen)(first); !shared) {
        throw StartFailure{
            1, fmt::format("cannot listen on {}: {}", texts.back(), shared.error().message())};
      }
    }
  }
  return texts;
}

std::string text_of(const ListenAddress& address) {
  return endpoint_text(endpoint_of(address));
}

}  // namespace router
