// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_connection.hpp"
#include "k8s_client/errc.hpp"

#include <string>

#include <boost/asio/awaitable.hpp>

namespace k8s_client {

/// The whole of a reply's body. `too_large`: it is above 4 MiB. For single questions: what may be
/// long goes through `ListWatch`. `connection` must outlive the call and is used by nobody else.
[[nodiscard]] boost::asio::awaitable<Result<std::string>> call_api(ApiConnection& connection,
                                                                   const ApiRequest& request);

}  // namespace k8s_client
