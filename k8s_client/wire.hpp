// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/api_connection.hpp"
#include "k8s_client/clock.hpp"
#include "k8s_client/inflater.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace k8s_client {

/// The socket, TLS and HTTP/1.1 of one `ApiConnection`. Only for its sources: this header is
/// expensive.
class ApiConnection::Wire {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Head = boost::beast::http::response<boost::beast::http::buffer_body>;

  Wire(const boost::asio::any_io_executor& executor,
       boost::asio::ssl::context context,
       bool uses_tls);

  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

  /// The addresses of a name, or the one that it is. Has no limit in time but the system's own
  /// (resolv.conf(5)): its resolver cannot be called back.
  [[nodiscard]] static boost::asio::awaitable<Result<Endpoints>> resolve(std::string host,
                                                                         std::uint16_t port);

  /// Connects to the first of them that accepts. Each has `limit`, so that one that swallows what
  /// it is sent does not keep us from the next.
  [[nodiscard]] boost::asio::awaitable<Result<void>> connect_tcp(Clock& clock,
                                                                 Clock::Duration limit,
                                                                 const Endpoints& endpoints);
  /// `name`: what the certificate must bear, a name or an address. "": anything goes.
  [[nodiscard]] boost::asio::awaitable<Result<void>> handshake(const std::string& name);

  /// Sends the request and reads the reply's head.
  [[nodiscard]] boost::asio::awaitable<Result<void>> exchange_heads(const Request& request);
  /// The next part of the body, without its content coding; "" at its end.
  [[nodiscard]] boost::asio::awaitable<Result<std::string>> read_some();

  /// Of the reply whose head was read last.
  [[nodiscard]] const Head& head() const { return parser_->get(); }

  /// Whether the next request can go over this connection.
  [[nodiscard]] bool is_reusable() const;

 private:
  [[nodiscard]] boost::asio::awaitable<Result<void>> connect_to(
      boost::asio::ip::tcp::endpoint endpoint);
  [[nodiscard]] boost::asio::awaitable<Result<std::string>> read_coded();

  boost::asio::ssl::context context_;
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  bool uses_tls_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::response_parser<boost::beast::http::buffer_body>> parser_;
  std::optional<Inflater> inflater_;  // of the reply that is being read, if it is gzip
};

}  // namespace k8s_client
