// SPDX-License-Identifier: Apache-2.0
#include "router/worker/endpoint_text.hpp"

#include <fmt/core.h>

namespace router {

std::string endpoint_text(const boost::asio::ip::tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                    : fmt::format("{}:{}", address, endpoint.port());
}

}  // namespace router
