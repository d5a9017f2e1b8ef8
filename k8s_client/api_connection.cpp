// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/api_connection.hpp"

#include "k8s_client/deadline.hpp"
#include "k8s_client/list_watch.hpp"
#include "k8s_client/tls_context.hpp"
#include "k8s_client/wire.hpp"

#include <utility>

#include <boost/asio/this_coro.hpp>

namespace k8s_client {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

std::string host_header(const ApiServer& server) {
  const bool is_ipv6 = server.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
}

http::request<http::string_body> message_of(const ApiServer& server,
                                            const ApiRequest& request,
                                            const std::string& token) {
  constexpr unsigned kHttp11 = 11;
  http::request<http::string_body> message{
      request.body.empty() ? http::verb::get : http::verb::post,
      server.path_prefix + request.path,
      kHttp11};
  message.set(http::field::host, host_header(server));
  message.set(http::field::user_agent, request.user_agent);
  if (request.takes_gzip) {
    message.set(http::field::accept_encoding, "gzip");
  }
  message.set(http::field::accept, request.accept);
  if (!token.empty()) {
    message.set(http::field::authorization, "Bearer " + token);
  }
  if (!request.body.empty()) {
    message.set(http::field::content_type, "application/json");
    message.body() = request.body;
    message.prepare_payload();
  }
  return message;
}

}  // namespace

ApiConnection::ApiConnection(const ApiServer& server, Clock& clock)
    : server_{server}, clock_{clock}, credentials_{server.token, clock} {}

ApiConnection::~ApiConnection() = default;

void ApiConnection::close() noexcept {
  wire_.reset();
}

asio::awaitable<Result<void>> ApiConnection::send(const ApiRequest& request) {
  const bool is_reused = wire_ && wire_->is_reusable();
  Result<void> sent{};
  if (is_reused) {
    sent = co_await exchange_heads(request);
  }
  // A kept connection may have been closed by the server meanwhile, which shows only now. Reading
  // twice does no harm.
  const bool is_stale =
      is_reused && !sent && request.body.empty() && sent.error().code != Errc::reply_timeout;
  if (!is_reused || is_stale) {
    sent = co_await connect();
    if (sent) {
      sent = co_await exchange_heads(request);
    }
  }
  if (!sent) {
    close();
    co_return sent.error();
  }
  if (http::to_status_class(wire_->head().result()) != http::status_class::successful) {
    const Failure refusal = co_await read_refusal();
    if (refusal.code == Errc::unauthorized) {
      credentials_.forget_token();
    }
    close();
    co_return refusal;
  }
  co_return Result<void>{};
}

asio::awaitable<Result<void>> ApiConnection::connect() {
  close();
  Result<asio::ssl::context> context = make_tls_context(server_);
  if (!context) {
    co_return context.error();
  }
  wire_ =
      std::make_unique<Wire>(co_await asio::this_coro::executor, *std::move(context), server_.tls);
  const auto endpoints = co_await Wire::resolve(server_.host, server_.port);
  if (!endpoints) {
    co_return endpoints.error();
  }
  const Result<void> connected = co_await wire_->connect_tcp(clock_, kConnectTimeout, *endpoints);
  if (!connected) {
    co_return connected.error();
  }
  std::string name = server_.server_name.empty() ? server_.host : server_.server_name;
  if (!server_.verify_peer) {
    name.clear();
  }
  const Failure late{Errc::connect_timeout, "TLS with " + host_header(server_) + ": timed out"};
  co_return co_await within(clock_, kConnectTimeout, late, wire_->handshake(name));
}

asio::awaitable<Result<void>> ApiConnection::exchange_heads(const ApiRequest& request) {
  const Result<std::string> token = credentials_.token();
  if (!token) {
    co_return token.error();
  }
  const Failure late{Errc::reply_timeout, "reply: none in time"};
  const Wire::Request message = message_of(server_, request, *token);
  co_return co_await within(clock_, kReplyTimeout, late, wire_->exchange_heads(message));
}

asio::awaitable<Failure> ApiConnection::read_refusal() {
  const auto status = wire_->head().result_int();
  const std::string retry_after{wire_->head()[http::field::retry_after]};
  std::string body;
  while (body.size() < kMaxErrorBodyBytes) {
    const Result<std::string> part = co_await read_some_in_time();
    if (!part || part->empty()) {
      break;  // the status says enough
    }
    body += *part;
  }
  co_return failure_of_status(status, retry_after, body);
}

asio::awaitable<Result<std::string>> ApiConnection::read_some() {
  Result<std::string> part = co_await wire_->read_some();
  if (!part) {
    close();
  }
  co_return part;
}

asio::awaitable<Result<std::string>> ApiConnection::read_some_in_time() {
  const Failure late{Errc::reply_timeout, "reply: no more of it in time"};
  Result<std::string> part = co_await within(clock_, kReplyTimeout, late, wire_->read_some());
  if (!part) {
    close();
  }
  co_return part;
}

}  // namespace k8s_client
