// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/cluster_folder.hpp"
#include "tests/support/message.hpp"
#include "tests/support/socket.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test {

/// One request as an HTTP/1.1 upstream saw it.
struct Http1Request {
  int connection = 0;  ///< 1 for the first connection that the upstream accepted
  std::string raw{};   ///< head and body as they were on the wire
  std::string request_line;
  Headers headers;
  std::string body;  ///< without the framing of chunks

  [[nodiscard]] std::optional<std::string> header(std::string_view name) const {
    return find(headers, name);
  }
};

/// What an HTTP/1.1 upstream does with one request: raw bytes of the reply, and whether it closes
/// afterwards.
struct Http1Answer {
  std::string raw{};
  bool then_close = false;
};

/// A reply with Content-Length.
[[nodiscard]] Http1Answer http1_answer(int status,
                                       const std::string& body,
                                       const Headers& extra = {});

/// A scripted HTTP/1.1 server on a port of loopback. One thread per connection; the script is
/// called on it.
class Http1Upstream {
 public:
  using Script = std::function<Http1Answer(const Http1Request&)>;

  explicit Http1Upstream(Script script);
  /// The same answer to every request.
  explicit Http1Upstream(const Http1Answer& answer);
  Http1Upstream(const Http1Upstream&) = delete;
  Http1Upstream& operator=(const Http1Upstream&) = delete;
  ~Http1Upstream();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] EndpointSpec endpoint() const { return {.port = port_}; }
  [[nodiscard]] std::vector<Http1Request> requests() const;
  [[nodiscard]] int requests_seen() const;
  [[nodiscard]] int connections_seen() const;

 private:
  class Reader;

  void accept_until_stopped();
  void serve(Fd socket, int number);

  Script script_;
  Fd listener_;
  Fd stop_;  ///< an eventfd, readable once all threads are to end
  std::uint16_t port_;
  mutable std::mutex mutex_;  ///< guards the two below
  std::vector<Http1Request> requests_;
  int n_connections_ = 0;
  std::list<std::thread>
      servers_;           ///< touched by the accepting thread only, then by the destructor
  std::thread acceptor_;  ///< last: it uses all the others
};

}  // namespace test
