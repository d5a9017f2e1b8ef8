// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/wire.hpp"

#include "k8s_client/deadline.hpp"

#include <array>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/string.hpp>

namespace k8s_client {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

/// One read of the socket; a watch line or list item may take many.
constexpr std::size_t kChunkBytes = std::size_t{16} * 1024;
/// What is read ahead of the parser: a whole head, or a chunk with its framing.
constexpr std::size_t kMaxBufferBytes = kChunkBytes + ApiConnection::kMaxHeadBytes;

/// A server that vanished without a word is noticed after 40 s of silence, which is when the second
/// probe would be sent, and 30 s after we have written to it: the user timeout takes the place of a
/// number of probes. The watch's own silence is judged by the reflector. Source: tcp(7).
constexpr int kKeepAliveIdleS = 30;
constexpr int kKeepAliveIntervalS = 10;
constexpr int kUserTimeoutMs = 30'000;

Failure failure_in(const std::string& step, const error_code& why) {
  return {why, step + ": " + why.message()};
}

void make_death_noticed(tcp::socket& socket) {
  const auto set = [&socket](int level, int option, int value) {
    // A kernel that refuses one of these still gives a connection that works.
    (void)::setsockopt(socket.native_handle(), level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalS);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

std::string connect_step(const tcp::endpoint& endpoint) {
  return "connect to " + endpoint.address().to_string() + " port " +
         std::to_string(endpoint.port());
}

}  // namespace

ApiConnection::Wire::Wire(const asio::any_io_executor& executor,
                          asio::ssl::context context,
                          bool uses_tls)
    : context_{std::move(context)},
      stream_{executor, context_},
      uses_tls_{uses_tls},
      buffer_{kMaxBufferBytes} {}

asio::awaitable<Result<ApiConnection::Wire::Endpoints>> ApiConnection::Wire::resolve(
    std::string host, std::uint16_t port) {
  error_code problem;
  const asio::ip::address literal = asio::ip::make_address(host, problem);
  Endpoints endpoints;
  if (!problem) {
    endpoints.emplace_back(literal, port);
    co_return endpoints;
  }
  tcp::resolver resolver{co_await asio::this_coro::executor};
  const auto [failed, found] =
      co_await resolver.async_resolve(host, std::to_string(port), kAsTuple);
  if (failed) {
    co_return failure_in("resolve " + host, failed);
  }
  for (const auto& entry : found) {
    endpoints.push_back(entry.endpoint());
  }
  co_return endpoints;
}

asio::awaitable<Result<void>> ApiConnection::Wire::connect_tcp(Clock& clock,
                                                               Clock::Duration limit,
                                                               const Endpoints& endpoints) {
  Failure last{Errc::connect_timeout, "connect: no address"};
  for (const tcp::endpoint& endpoint : endpoints) {
    const Failure late{Errc::connect_timeout, connect_step(endpoint) + ": timed out"};
    const Result<void> connected = co_await within(clock, limit, late, connect_to(endpoint));
    if (connected) {
      make_death_noticed(stream_.next_layer());
      co_return Result<void>{};
    }
    last = connected.error();
  }
  co_return last;
}

asio::awaitable<Result<void>> ApiConnection::Wire::connect_to(tcp::endpoint endpoint) {
  error_code ignored;
  stream_.next_layer().close(ignored);  // of the attempt before
  const auto [failed] = co_await stream_.next_layer().async_connect(endpoint, kAsTuple);
  if (failed) {
    co_return failure_in(connect_step(endpoint), failed);
  }
  co_return Result<void>{};
}

asio::awaitable<Result<void>> ApiConnection::Wire::handshake(const std::string& name) {
  if (!uses_tls_) {
    co_return Result<void>{};
  }
  error_code problem;
  if (!name.empty()) {
    stream_.set_verify_callback(asio::ssl::host_name_verification{name}, problem);
    error_code is_name;
    (void)asio::ip::make_address(name, is_name);
    if (is_name) {  // RFC 6066 section 3: no literal addresses in the server name
      // What the macro SSL_set_tlsext_host_name does, without its C cast.
      SSL_ctrl(stream_.native_handle(),
               SSL_CTRL_SET_TLSEXT_HOSTNAME,
               TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(name.c_str()));
    }
  }
  const auto [failed] = co_await stream_.async_handshake(asio::ssl::stream_base::client, kAsTuple);
  if (!failed) {
    co_return Result<void>{};
  }
  Failure failure = failure_in("TLS", failed);
  const long verdict = SSL_get_verify_result(stream_.native_handle());
  if (verdict != X509_V_OK) {
    failure.text += std::string{": "} + X509_verify_cert_error_string(verdict);
  }
  co_return failure;
}

asio::awaitable<Result<void>> ApiConnection::Wire::exchange_heads(const Request& request) {
  parser_.emplace();
  parser_->header_limit(kMaxHeadBytes);
  parser_->body_limit(boost::none);  // a watch has no end; what is kept of it is bounded elsewhere
  error_code failed;
  if (uses_tls_) {
    std::tie(failed, std::ignore) = co_await http::async_write(stream_, request, kAsTuple);
  } else {
    std::tie(failed, std::ignore) =
        co_await http::async_write(stream_.next_layer(), request, kAsTuple);
  }
  if (failed) {
    co_return failure_in("send", failed);
  }
  if (uses_tls_) {
    std::tie(failed, std::ignore) =
        co_await http::async_read_header(stream_, buffer_, *parser_, kAsTuple);
  } else {
    std::tie(failed, std::ignore) =
        co_await http::async_read_header(stream_.next_layer(), buffer_, *parser_, kAsTuple);
  }
  if (failed) {
    co_return failure_in("reply", failed);
  }
  inflater_.reset();
  if (beast::iequals(head()[http::field::content_encoding], "gzip")) {
    inflater_.emplace();
  }
  co_return Result<void>{};
}

asio::awaitable<Result<std::string>> ApiConnection::Wire::read_some() {
  if (!inflater_) {
    co_return co_await read_coded();
  }
  for (;;) {
    Result<std::string> part = inflater_->next();
    if (!part || !part->empty()) {
      co_return part;
    }
    Result<std::string> coded = co_await read_coded();
    if (coded && coded->empty() && !inflater_->is_between_members()) {
      co_return Failure{Errc::malformed_reply, "reply: gzip ends in its midst"};
    }
    if (!coded || coded->empty()) {
      co_return coded;
    }
    inflater_->feed(*std::move(coded));
  }
}

asio::awaitable<Result<std::string>> ApiConnection::Wire::read_coded() {
  std::string chunk(kChunkBytes, '\0');
  auto& body = parser_->get().body();
  while (!parser_->is_done()) {
    body.data = chunk.data();
    body.size = chunk.size();
    error_code failed;
    if (uses_tls_) {
      std::tie(failed, std::ignore) =
          co_await http::async_read_some(stream_, buffer_, *parser_, kAsTuple);
    } else {
      std::tie(failed, std::ignore) =
          co_await http::async_read_some(stream_.next_layer(), buffer_, *parser_, kAsTuple);
    }
    if (failed && failed != http::error::need_buffer) {
      co_return failure_in("reply", failed);
    }
    if (body.size < chunk.size()) {
      chunk.resize(chunk.size() - body.size);
      co_return chunk;
    }
  }
  co_return std::string{};
}

bool ApiConnection::Wire::is_reusable() const {
  return parser_ && parser_->is_done() && parser_->get().keep_alive();
}

}  // namespace k8s_client
