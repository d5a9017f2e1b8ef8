// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_server.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/credentials.hpp"
#include "k8s_client/errc.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

namespace k8s_client {

struct ApiRequest {
  std::string path;  ///< with its query; the server's prefix comes before it
  std::string body;  ///< JSON of a POST; "" makes a GET
  std::string accept = "application/json";
  std::string user_agent = "nodeway";  ///< whom the API server's audit log names
  bool takes_gzip = false;             ///< the reply may be compressed on its way
};

/// One connection to the API server: HTTP/1.1, one request at a time, opened when needed and kept
/// open between requests.
///
/// Files of certificates are read at each connect, so that they may rotate. A reply other than 2xx
/// is a failure with what the server said. After a failure the connection is closed; the next
/// request opens another. Control thread.
class ApiConnection {
 public:
  class Wire;  ///< of its own sources and tests; keeps Beast and TLS out of this header

  static constexpr std::chrono::seconds kConnectTimeout{10};  ///< TCP of each address, and TLS
  static constexpr std::chrono::seconds kReplyTimeout{60};  ///< the server's own limit on a request
  static constexpr std::size_t kMaxHeadBytes = std::size_t{16} * 1024;
  static constexpr std::size_t kMaxErrorBodyBytes =
      std::size_t{64} * 1024;  ///< the rest of it is not read

  /// `server` and `clock` must outlive the connection.
  ApiConnection(const ApiServer& server, Clock& clock);
  ApiConnection(const ApiConnection&) = delete;
  ApiConnection& operator=(const ApiConnection&) = delete;
  ~ApiConnection();

  /// Sends the request and reads the head of its reply. What is left of the reply before is dropped
  /// with its connection.
  [[nodiscard]] boost::asio::awaitable<Result<void>> send(const ApiRequest& request);

  /// The next part of the reply's body, as it comes and decompressed; "" at its end. Waits without
  /// limit: safe to cancel, but then only `close` may follow.
  [[nodiscard]] boost::asio::awaitable<Result<std::string>> read_some();

  /// The same, `reply_timeout` after `kReplyTimeout`.
  [[nodiscard]] boost::asio::awaitable<Result<std::string>> read_some_in_time();

  void close() noexcept;

 private:
  [[nodiscard]] boost::asio::awaitable<Result<void>> connect();
  [[nodiscard]] boost::asio::awaitable<Result<void>> exchange_heads(const ApiRequest& request);
  [[nodiscard]] boost::asio::awaitable<Failure> read_refusal();

  const ApiServer& server_;
  Clock& clock_;
  Credentials credentials_;
  std::unique_ptr<Wire> wire_;
};

}  // namespace k8s_client
