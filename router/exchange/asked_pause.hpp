// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <chrono>
#include <optional>

namespace router {

/// For how long the head or the trailers of a failed reply ask that nothing more be sent:
/// `retry-after`, or `grpc-retry-pushback-ms`; the longer one if both are there. A date counts from
/// that of the reply, since the pod's clock need not be ours. Nothing if neither is there, or is a
/// number of at most 9 digits or a date: also of a date without the reply's, and of a negative
/// pushback, which asks for no retry but not for peace. Source: RFC 9110, section 10.2.3; gRFC A6,
/// "Server Pushback".
[[nodiscard]] std::optional<std::chrono::nanoseconds> asked_pause(const HeaderList& fields);

/// What the head or the trailers of a failed gRPC reply say of a retry, by
/// `grpc-retry-pushback-ms`. Source: gRFC A6, "Server Pushback".
struct Pushback {
  /// A caller that is asked to wait for longer is told the failure: it knows better what to do with
  /// such a time than we do with its request.
  static constexpr std::chrono::seconds kLongest{10};

  bool forbids_retry = false;  ///< also by a value that is no number
  std::optional<std::chrono::nanoseconds> pause{};
};
[[nodiscard]] Pushback pushback_of(const HeaderList& fields);

}  // namespace router
