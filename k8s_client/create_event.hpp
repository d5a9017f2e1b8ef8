// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/errc.hpp"
#include "k8s_client/source.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

namespace k8s_client {

class ApiConnection;

/// The core/v1 Event that says `note`, as of `now`. Source: kubernetes
/// `staging/src/k8s.io/api/core/v1` Event.
[[nodiscard]] nlohmann::json event_object(const EventNote& note, Clock::UtcTime now);

/// Makes that Event in the namespace of the object it is about. `connection` must outlive the call.
[[nodiscard]] boost::asio::awaitable<Result<void>> create_event(ApiConnection& connection,
                                                                EventNote note,
                                                                Clock::UtcTime now);

}  // namespace k8s_client
