// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"
#include "router/resolve/callers.hpp"
#include "router/route/policy.hpp"

#include <cstdint>
#include <optional>

#include <boost/asio/ip/address.hpp>

namespace router {

/// What a request is sent to its endpoint by, under a policy that goes by a hash: the same for
/// requests that `policy.hash_on` does not tell apart, on every node. Nothing under another policy,
/// and if the request lacks that part: then any endpoint will do. A caller that is no pod of this
/// node counts by its address.
[[nodiscard]] std::optional<std::uint64_t> hash_key_of(const Policy& policy,
                                                       const RequestHead& request,
                                                       const Caller& caller,
                                                       const boost::asio::ip::address& peer);

}  // namespace router
