// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/demo/caller.hpp"

#include <map>
#include <memory>
#include <string>

namespace httplib {
class Client;
}

namespace demo {

/// What came back for one request.
struct HttpAnswer {
  unsigned status = 0;  ///< 0: no answer; `body` says why
  std::string body;
  std::string pod;
};

/// Frees a client where its type is known.
struct HttpClientDeleter {
  void operator()(httplib::Client* client) const noexcept;
};
using HttpClient = std::unique_ptr<httplib::Client, HttpClientDeleter>;

/// A client with one kept-alive connection to `address` (ADDR:PORT), for one thread at a time.
[[nodiscard]] HttpClient make_http_client(const std::string& address);

/// `GET /calculate` of the Service `authority`.
[[nodiscard]] HttpAnswer get_calculation(httplib::Client& client,
                                         const std::string& authority,
                                         Operands operands);

/// Calls over HTTP/1.1 and JSON, on one connection for each different address, and so one call at a
/// time.
[[nodiscard]] std::unique_ptr<Caller> make_http_caller(
    const std::map<Operation, CallTarget>& targets);

}  // namespace demo
