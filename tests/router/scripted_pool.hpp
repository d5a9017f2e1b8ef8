// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/body.hpp"
#include "router/exchange/stream.hpp"
#include "tests/router/loopback.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// One attempt: the request as the test wants it, and the reply as the connection tells it.
class ScriptedAttempt final : public router::UpstreamEvents {
 public:
  explicit ScriptedAttempt(std::string_view method = "GET") {
    head.method = method;
    head.scheme = "http";
    head.authority = "cart.shop";
    head.path = "/a";
  }

  void on_informational(router::ReplyHead reply) override { informational.push_back(reply.status); }
  void on_reply_head(router::ReplyHead reply, bool end) override {
    status = reply.status;
    reply_ended = end;
  }
  void on_reply_data(std::span<const std::byte> bytes) override {
    body += text_of(bytes);
    if (credits) {
      stream->consumed(bytes.size());
    }
  }
  void on_reply_trailers(router::HeaderList fields) override {
    reply_ended = true;
    trailers = std::move(fields);
  }
  void on_reply_end() override { reply_ended = true; }
  void on_attempt_failed(router::AttemptFailure how) override { failure = how; }
  void on_upstream_closed() override { is_closed = true; }
  router::Pulled pull_request(std::span<std::byte> into) override {
    return request_body.take(position, into);
  }
  const router::HeaderList& request_trailers() const override { return outgoing_trailers; }

  void append(std::string_view text) {
    request_body.append(std::as_bytes(std::span{text}));
    if (stream != nullptr) {
      stream->resume();
    }
  }
  void finish() {
    request_body.finish(outgoing_trailers.empty() ? router::BodyState::ended
                                                  : router::BodyState::trailers);
    if (stream != nullptr) {
      stream->resume();
    }
  }

  router::UpstreamStream* stream = nullptr;
  router::RequestHead head;
  router::BufferShare buffers;
  router::Body request_body{buffers};
  std::uint64_t position = 0;  ///< how much of it was taken
  router::HeaderList outgoing_trailers;
  std::vector<std::uint16_t> informational;
  std::uint16_t status = 0;
  std::string body;
  router::HeaderList trailers;
  bool credits = true;
  bool reply_ended = false;
  bool is_closed = false;
  std::optional<router::AttemptFailure> failure;
};

/// A pool of one connection, which its user makes.
class ScriptedPool final : public router::UpstreamConnectionEvents {
 public:
  explicit ScriptedPool(Loopback& loopback) : loopback_{loopback} {}

  void on_connected(router::UpstreamConnection&) override { is_connected = true; }
  void on_capacity(router::UpstreamConnection& has_room) override {
    ++capacity_events;
    for (ScriptedAttempt* attempt : std::exchange(waiting, {})) {
      attempt->stream = &has_room.open(*attempt, attempt->head, true);
    }
  }
  void on_draining(router::UpstreamConnection&) override { is_draining = true; }
  void on_tunnel(router::UpstreamConnection&) override { is_tunnel = true; }
  void on_disconnected(router::UpstreamConnection&, bool connected, router::Errc reason) override {
    was_connected = connected;
    disconnected = reason;
    loopback_.loop().destroy_later(std::move(connection));
  }

 private:
  Loopback& loopback_;

 public:
  std::unique_ptr<router::UpstreamConnection> connection;
  std::vector<ScriptedAttempt*> waiting;  ///< opened from inside `on_capacity`
  bool is_connected = false;
  bool is_draining = false;
  bool is_tunnel = false;
  int capacity_events = 0;
  bool was_connected = false;
  std::optional<router::Errc> disconnected;
};

}  // namespace test
