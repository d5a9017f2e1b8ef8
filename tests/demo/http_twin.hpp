// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace demo {

struct HttpRequest {
  std::string host;    ///< the `Host` field
  std::string target;  ///< path and query
  std::string body;
};

struct HttpReply {
  unsigned status;
  std::string json;
};

/// A small HTTP/1.1 server of JSON replies: keep-alive, a thread for each connection.
///
/// It is no cpp-httplib server, because that one polls idle connections every 20 ms, which would be
/// what a comparison of latencies with gRPC measures.
class HttpTwin {
 public:
  /// Called on the connection's thread, by several at once.
  using Respond = std::function<HttpReply(const HttpRequest&)>;

  /// Listens on `address` (ADDR:PORT, port 0: the kernel's choice). `pod` goes into `x-pod` of each
  /// reply. Throws `std::runtime_error` if the address cannot be had.
  HttpTwin(const std::string& address, std::string pod, Respond respond);
  HttpTwin(const HttpTwin&) = delete;
  HttpTwin& operator=(const HttpTwin&) = delete;
  ~HttpTwin();  // NOLINT(bugprone-exception-escape): see its body

  /// ADDR:PORT that was got.
  [[nodiscard]] const std::string& address() const noexcept;

  /// Takes no new connections, answers with `Connection: close` from now on, and returns once every
  /// connection is closed or nothing has been asked for `quiet`; then closes what is idle. At most
  /// `limit`.
  void drain(std::chrono::milliseconds quiet, std::chrono::milliseconds limit);

 private:
  class Listener;
  std::shared_ptr<Listener>
      listener_;  // shared with the threads of its connections, which end after it
};

}  // namespace demo
