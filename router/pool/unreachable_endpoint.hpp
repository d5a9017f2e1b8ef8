// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <boost/asio/ip/address.hpp>

namespace router {

/// An endpoint of a Service that could not be connected, for whoever can find out why.
struct UnreachableEndpoint {
  std::string service_namespace;  ///< "" of a name outside of the cluster
  std::string service;
  boost::asio::ip::address address;
};

/// Is told of them on any core's thread; of each by each core at most once in `kUnreachableNews`.
using UnreachableListener = std::function<void(const UnreachableEndpoint&)>;

/// While connects fail with every request, news of it is none.
inline constexpr std::chrono::seconds kUnreachableNews{10};

}  // namespace router
