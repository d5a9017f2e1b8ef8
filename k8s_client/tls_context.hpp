// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/errc.hpp"

#include <boost/asio/ssl/context.hpp>

namespace k8s_client {

/// What TLS to this server needs: whom to trust, and our own certificate. Reads the files afresh.
[[nodiscard]] Result<boost::asio::ssl::context> make_tls_context(const ApiServer& server);

}  // namespace k8s_client
