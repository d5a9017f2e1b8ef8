// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>

namespace test {

/// What the server was asked, as it saw it.
struct SeenRequest {
  int connection = 0;  ///< from 1
  std::string method;
  std::string target;
  std::string authorization;
  std::string host;
  std::string accept;
  std::string user_agent;
  std::string accept_encoding;
  std::string body;
  std::string client_subject;  ///< of the peer's certificate; "" without one
};

/// A real TLS server on loopback that gives scripted replies, on the loop of the test.
class TlsServer {
 public:
  struct Options {
    std::filesystem::path certificate;
    std::filesystem::path key;
    std::filesystem::path client_ca;  ///< set: a client certificate is demanded
  };

  /// The parts of one reply, byte for byte, each written and sent by itself. After the last part of
  /// a reply that is
  /// `"close"`, the connection is closed.
  using Reply = std::vector<std::string>;

  TlsServer(boost::asio::io_context& loop, const Options& options);

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  std::deque<Reply> replies;  ///< one per request; empty: no answer, ever
  std::map<std::string, std::deque<Reply>>
      replies_by_path;  ///< without query; for these paths instead
  std::vector<SeenRequest> requests;
  int connections = 0;
  int closed = 0;  ///< of these, by the peer while a request was awaited

 private:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket, int number);
  boost::asio::awaitable<bool> answer(Stream& stream, std::string path);

  boost::asio::ssl::context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

/// A whole reply of 200 with this body.
[[nodiscard]] TlsServer::Reply reply(const std::string& status, const std::string& body);

}  // namespace test
