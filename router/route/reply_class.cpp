// SPDX-License-Identifier: Apache-2.0
#include "router/route/reply_class.hpp"

namespace router {

void add_range(ReplyClass::HttpStatuses& statuses, std::uint16_t first, std::uint16_t last) {
  for (std::size_t status = first; status <= last; ++status) {
    statuses.set(status);
  }
}

ReplyClass default_successes() noexcept {
  ReplyClass successes;
  successes.grpc.set(0);
  add_range(successes.http, ReplyClass::kMinHttpStatus, 499);
  return successes;
}

ReplyClass default_endpoint_failures() noexcept {
  ReplyClass failures;
  for (const std::size_t status : {4U, 8U, 13U, 14U, 15U}) {
    failures.grpc.set(status);
  }
  add_range(failures.http, 500, ReplyClass::kMaxHttpStatus);
  failures.http.set(429);
  failures.http.reset(501);
  return failures;
}

}  // namespace router
