// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/body.hpp"
#include "router/h1/server_connection.hpp"
#include "tests/router/loopback.hpp"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace test {

/// One request as the connection tells it, and a reply as the test wants it.
class ScriptedExchange final : public router::ClientEvents {
 public:
  ScriptedExchange(router::ClientStream& client, router::RequestHead request, bool end)
      : stream{&client}, head{std::move(request)}, request_ended{end} {}

  void on_request_data(std::span<const std::byte> bytes) override {
    body += text_of(bytes);
    if (credits) {
      stream->consumed(bytes.size());
    }
  }
  void on_request_trailers(router::HeaderList fields) override {
    request_ended = true;
    trailers = std::move(fields);
  }
  void on_request_end() override { request_ended = true; }
  void on_client_gone(router::Reset how) override { gone = how; }
  void on_reply_sent() override { reply_sent = true; }
  router::Pulled pull_reply(std::span<std::byte> into) override {
    return reply_body.take(reply_position, into);
  }
  bool has_reply_to_pull() const noexcept override {
    return reply_body.size() > 0 || reply_body.is_finished();
  }
  const router::HeaderList& reply_trailers() const override { return outgoing_trailers; }

  void reply(std::uint16_t status, std::string_view text, std::string_view length = {}) {
    router::ReplyHead reply_head;
    reply_head.status = status;
    if (!length.empty()) {
      reply_head.fields.add_copy("content-length", length);
    }
    reply_body.append(std::as_bytes(std::span{text}));
    reply_body.finish(outgoing_trailers.empty() ? router::BodyState::ended
                                                : router::BodyState::trailers);
    stream->send_head(std::move(reply_head), text.empty());
  }

  router::ClientStream* stream;
  router::RequestHead head;
  bool request_ended;
  bool credits = true;
  bool reply_sent = false;
  std::optional<router::Reset> gone;
  std::string body;
  router::HeaderList trailers;
  router::HeaderList outgoing_trailers;
  router::BufferShare buffers;
  router::Body reply_body{buffers};
  std::uint64_t reply_position = 0;
};

/// A client, its connection, and the exchanges that its requests become.
class ScriptedCaller final : public router::RequestAcceptor {
 public:
  explicit ScriptedCaller(const router::h1::ServerTimeouts& timeouts = {}) {
    connection = std::make_unique<router::h1::ServerConnection>(
        loopback.loop(), loopback.accept_for_router(), *this, timeouts);
    connection->start({});
  }

  router::ClientEvents& begin(router::ClientStream& stream,
                              router::RequestHead head,
                              bool end,
                              router::CallerProtocol /*protocol*/) override {
    ScriptedExchange& exchange = exchanges.emplace_back(stream, std::move(head), end);
    on_begin(exchange);
    return exchange;
  }
  void on_unreadable_request(router::Errc reason) override { unreadable.push_back(reason); }
  void on_switched_to_h2(router::Disposable& /*connection*/,
                         router::SwitchedConnection now_h2) override {
    switched = std::move(now_h2);
    loopback.loop().destroy_later(std::move(connection));
  }
  void on_connection_closed(router::Disposable& closed) override {
    REQUIRE(&closed == connection.get());
    loopback.loop().destroy_later(std::move(connection));
  }

  /// Waits for the n-th request (from 1).
  ScriptedExchange& request(std::size_t n) {
    loopback.run_until([&] { return exchanges.size() >= n; });
    return *std::next(exchanges.begin(), static_cast<std::ptrdiff_t>(n - 1));
  }

  Loopback loopback;
  Peer peer{loopback, loopback.connect()};
  std::function<void(ScriptedExchange&)> on_begin = [](ScriptedExchange&) {};
  std::list<ScriptedExchange> exchanges;
  std::vector<router::Errc> unreadable;
  std::optional<router::SwitchedConnection> switched;
  std::unique_ptr<router::h1::ServerConnection> connection;
};

inline constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: cart.shop\r\n\r\n";

}  // namespace test
