// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/counters.hpp"
#include "tests/demo/http_caller.hpp"
#include "tests/demo/http_twin.hpp"
#include "tests/demo/operation.hpp"
#include "tests/demo/percentage_upstreams.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace demo {

/// The operations as HTTP/1.1 with JSON.
///
/// `GET /calculate?a=1&b=2` or `POST /calculate` with `{"a":1,"b":2}` gives
/// `{"value":3.0,"pod":"add-1"}`; an error is
/// `{"error":…}` with 400, 404, 422 (division by zero) or 502 (`percentage`: its upstream failed).
/// A process with several operations takes the one that `Host` begins with. `GET /stats` gives
/// `Counters::to_json`. Any thread.
class HttpOperations {
 public:
  /// References outlive the object.
  HttpOperations(std::vector<Operation> operations,
                 const PercentageUpstreams& upstreams,
                 std::chrono::microseconds delay,
                 Counters& counters);
  HttpOperations(const HttpOperations&) = delete;
  HttpOperations& operator=(const HttpOperations&) = delete;
  ~HttpOperations();

  [[nodiscard]] HttpReply respond(const HttpRequest& request);

 private:
  /// Connections to one upstream that are idle just now.
  struct Upstream {
    const UpstreamService& service;
    std::vector<HttpClient> idle;
  };

  [[nodiscard]] std::optional<Operation> operation_for(const std::string& host) const;
  [[nodiscard]] HttpReply calculate_here(Operation operation, Operands operands) const;
  [[nodiscard]] HttpReply percentage(Operands operands);
  [[nodiscard]] HttpReply call(Upstream& upstream, Operands operands);

  const std::vector<Operation> operations_;
  const std::chrono::microseconds delay_;
  Counters& counters_;
  std::mutex mutex_;  // guards the idle connections
  Upstream mult_;
  Upstream div_;
};

}  // namespace demo
