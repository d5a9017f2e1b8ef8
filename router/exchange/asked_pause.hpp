// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <chrono>
#include <optional>

namespace router {

/// For how long the head or the trailers of a failed reply ask that nothing more be sent:
/// `retry-after` in seconds, or `grpc-retry-pushback-ms`; the longer one if both are there. Nothing
/// if neither is, or is a number of at most 9 digits: also of dates, for which the pod's clock
/// would have to be ours, and of a negative pushback, which asks for no retry but not for peace.
/// Source: RFC 9110, section 10.2.3; gRFC A6, "Server Pushback".
[[nodiscard]] std::optional<std::chrono::nanoseconds> asked_pause(const HeaderList& fields);

}  // namespace router
