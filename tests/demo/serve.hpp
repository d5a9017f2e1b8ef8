// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/operation.hpp"
#include "tests/demo/percentage_upstreams.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace demo {

struct ServeOptions {
  std::vector<Operation> operations;
  std::string grpc = "127.0.0.1:0";  ///< ADDR:PORT
  std::string http;                  ///< ADDR:PORT; empty: no HTTP
  std::string pod;
  std::chrono::microseconds delay{0};
  std::chrono::microseconds linger{std::chrono::seconds{1}};  ///< served on after SIGTERM
  std::chrono::microseconds drain{std::chrono::seconds{20}};  ///< after that, for calls in flight
  PercentageUpstreams upstreams;
};

/// Serves until SIGTERM or SIGINT, then ends as a good pod does: health NOT_SERVING at once, served
/// on for `linger` until every caller has heard of it, then GOAWAY, no new connections, and calls
/// in flight are finished.
///
/// Without `linger` grpc++ loses calls: those that arrive between its shutdown and the GOAWAY that
/// tells the caller of it are answered CANCELLED, which no proxy may take for "not processed".
///
/// Prints JSON lines: `listening` (`"grpc"`, `"http"`: ADDR:PORT), `first_call`, and at the end
/// `stopped`, with the counters and `in_flight_at_shutdown`, those at the signal. Returns the exit
/// code: 0, or 1 if an address cannot be had.
[[nodiscard]] int serve(const ServeOptions& options);

}  // namespace demo
