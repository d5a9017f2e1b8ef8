// SPDX-License-Identifier: Apache-2.0
#include "tests/k8s_client/tls_server.hpp"

#include <array>
#include <chrono>
#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

std::string subject_of_peer(SSL* tls) {
  X509* certificate = SSL_get0_peer_certificate(tls);
  if (certificate == nullptr) {
    return {};
  }
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), name.size());
  return name.data();
}

}  // namespace

TlsServer::TlsServer(asio::io_context& loop, const Options& options)
    : context_{asio::ssl::context::tls_server},
      acceptor_{loop, tcp::endpoint{asio::ip::address_v4::loopback(), 0}} {
  context_.use_certificate_chain_file(options.certificate);
  context_.use_private_key_file(options.key, asio::ssl::context::pem);
  if (!options.client_ca.empty()) {
    context_.load_verify_file(options.client_ca);
    context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  }
  asio::co_spawn(loop, accept(), asio::detached);
}

asio::awaitable<void> TlsServer::accept() {
  for (;;) {
    tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    asio::co_spawn(
        acceptor_.get_executor(), serve(std::move(socket), ++connections), asio::detached);
  }
}

asio::awaitable<void> TlsServer::serve(tcp::socket socket, int number) {
  Stream stream{std::move(socket), context_};
  const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::server, kAsTuple);
  if (refused) {
    co_return;
  }
  boost::beast::flat_buffer buffer;
  for (;;) {
    http::request<http::string_body> request;
    const auto [ended, size] = co_await http::async_read(stream, buffer, request, kAsTuple);
    if (ended) {
      ++closed;
      co_return;
    }
    requests.push_back({.connection = number,
                        .method = std::string{request.method_string()},
                        .target = std::string{request.target()},
                        .authorization = std::string{request[http::field::authorization]},
                        .host = std::string{request[http::field::host]},
                        .accept = std::string{request[http::field::accept]},
                        .user_agent = std::string{request[http::field::user_agent]},
                        .accept_encoding = std::string{request[http::field::accept_encoding]},
                        .body = request.body(),
                        .client_subject = subject_of_peer(stream.native_handle())});
    const bool goes_on = co_await answer(stream, requests.back().target);
    if (!goes_on) {
      co_return;
    }
  }
}

asio::awaitable<bool> TlsServer::answer(Stream& stream, std::string path) {
  const auto by_path = replies_by_path.find(path.substr(0, path.find('?')));
  std::deque<Reply>& script = by_path == replies_by_path.end() ? replies : by_path->second;
  if (script.empty()) {
    // Never: until the loop is gone.
    asio::steady_timer never{co_await asio::this_coro::executor,
                             asio::steady_timer::time_point::max()};
    co_await never.async_wait(asio::use_awaitable);
  }
  const Reply parts = std::move(script.front());
  script.pop_front();
  for (const std::string& part : parts) {
    if (part == "close") {
      co_return false;
    }
    const auto [failed, size] = co_await asio::async_write(stream, asio::buffer(part), kAsTuple);
    if (failed) {
      co_return false;
    }
  }
  co_return true;
}

TlsServer::Reply reply(const std::string& status, const std::string& body) {
  return {"HTTP/1.1 " + status + "\r\ncontent-type: application/json\r\ncontent-length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body};
}

}  // namespace test
