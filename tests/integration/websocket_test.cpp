// SPDX-License-Identifier: Apache-2.0
// WebSocket through a tunnel, between a client and a server that are not ours.
#include "tests/support/cluster_folder.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/router_process.hpp"

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <catch2/catch.hpp>

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::asio::ip::tcp;

/// A WebSocket server on a port of loopback that says everything back. One thread per connection.
class WebSocketEcho {
 public:
  WebSocketEcho() : thread_{[this] { accept_until_stopped(); }} {}
  WebSocketEcho(const WebSocketEcho&) = delete;
  WebSocketEcho& operator=(const WebSocketEcho&) = delete;
  ~WebSocketEcho() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    thread_.join();
    for (std::thread& server : servers_) {
      server.join();
    }
  }

  [[nodiscard]] test::EndpointSpec endpoint() const {
    return {.port = acceptor_.local_endpoint().port()};
  }
  /// The last handshake's request.
  [[nodiscard]] http::request<http::string_body> request() const {
    const std::lock_guard lock{mutex_};
    return request_.value();
  }

 private:
  void accept_until_stopped() {
    boost::system::error_code error;
    for (;;) {
      tcp::socket socket{io_};
      acceptor_.accept(socket, error);
      if (error) {
        return;
      }
      servers_.emplace_back(
          [this, accepted = std::move(socket)]() mutable { serve(std::move(accepted)); });
    }
  }

  void serve(tcp::socket socket) {
    try {
      beast::flat_buffer buffer;
      http::request<http::string_body> request;
      http::read(socket, buffer, request);
      {
        const std::lock_guard lock{mutex_};
        request_ = request;
      }
      websocket::stream<tcp::socket> stream{std::move(socket)};
      stream.read_message_max(0);
      stream.accept(request);
      for (;;) {
        beast::flat_buffer message;
        stream.read(message);
        stream.text(stream.got_text());
        stream.write(message.data());
      }
    } catch (const boost::system::system_error&) {
      return;  // closed, which tests see from the other side
    }
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  mutable std::mutex mutex_;  ///< guards the one below
  std::optional<http::request<http::string_body>> request_;
  std::list<std::thread> servers_;  ///< touched by the accepting thread, then by the destructor
  std::thread thread_;              ///< last: it uses all the others
};

struct EchoService {
  WebSocketEcho server;
  test::ClusterFolder cluster;
  test::RouterProcess router{written()};

 private:
  test::RouterProcess::Options written() {
    cluster.add_service("cart.shop", 80, {server.endpoint()}, {.app_protocol = "kubernetes.io/ws"});
    return {.source = cluster.path()};
  }
};

std::string read_message(websocket::stream<tcp::socket>& stream) {
  beast::flat_buffer message;
  stream.read(message);
  return beast::buffers_to_string(message.data());
}

}  // namespace

TEST_CASE("nodeway: a WebSocket client and server understand each other through it",
          "[integration][tunnel]") {
  EchoService path;
  boost::asio::io_context io;
  websocket::stream<tcp::socket> client{io};
  client.read_message_max(0);
  client.next_layer().connect({boost::asio::ip::address_v4::loopback(), path.router.listen_port()});
  const std::string large(4 << 20, 'x');

  client.handshake("cart.shop", "/chat?room=1");
  client.write(boost::asio::buffer(std::string{"hello"}));
  CHECK(read_message(client) == "hello");
  CHECK(path.router.metric("nodeway_streams_open") == 1);
  client.binary(true);
  std::thread writer{[&] { client.write(boost::asio::buffer(large)); }};
  CHECK(read_message(client) == large);
  writer.join();
  client.close({websocket::close_code::going_away, "bye"});

  CHECK(path.server.request().target() == "/chat?room=1");
  CHECK(path.server.request()[http::field::host] == "cart.shop");
  CHECK(path.server.request()[http::field::via].starts_with("2 nodeway-"));
  path.router.wait_metric("nodeway_streams_open", 0);
  CHECK(path.router.metric("nodeway_responses_total", {{"http_class", "1xx"}}) == 1);
}

TEST_CASE("nodeway: WebSocket over HTTP/2 reaches a server that speaks HTTP/1.1",
          "[integration][tunnel]") {
  EchoService path;
  test::H2Client client{path.router.listen_port()};
  const std::string masked_hello{"\x81\x85\x01\x02\x03\x04igohn", 11};  // RFC 6455 section 5.2
  const std::string hello{"\x81\x05hello"};
  const std::string masked_close{"\x88\x80\x01\x02\x03\x04", 6};

  const test::StreamId stream = client.open({{":method", "CONNECT"},
                                             {":protocol", "websocket"},
                                             {":scheme", "http"},
                                             {":authority", "cart.shop"},
                                             {":path", "/chat"},
                                             {"sec-websocket-version", "13"}},
                                            false);
  CHECK(client.wait_head(stream).status == 200);
  client.send(stream, masked_hello);
  CHECK(client.wait_body(stream, hello.size()).body == hello);
  client.send(stream, masked_close);
  client.end(stream);
  const test::Reply reply = client.wait(stream);

  CHECK(reply.ended);
  CHECK_THAT(reply.body, Catch::StartsWith(hello + "\x88"));  // and its own close
  CHECK(path.server.request().method() == http::verb::get);
  CHECK(path.server.request().target() == "/chat");
  CHECK(path.server.request()[http::field::sec_websocket_key].size() == 24);
}
