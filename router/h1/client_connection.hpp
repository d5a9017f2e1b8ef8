// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/stream.hpp"
#include "router/h1/body_reader.hpp"
#include "router/h1/head.hpp"
#include "router/h1/writer.hpp"
#include "router/worker/connector.hpp"
#include "router/worker/loop.hpp"
#include "router/worker/transport.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/ip/tcp.hpp>

namespace router::h1 {

/// A connection to an endpoint in HTTP/1.1: one request at a time, kept open between them as long
/// as the endpoint agrees.
///
///     connecting --> idle <--> busy --> over       (idle --> over: the endpoint closes, or it was
///     drained) request, while busy:  body --> sent reply, while busy:    head (after any
///     informational ones) --> body --> complete
///
/// The connection ends with the request if the reply says so (`connection: close`, HTTP/1.0, a body
/// that ends with it), if the reply is complete before the request is, and at every failure and
/// reset: nothing in HTTP/1.1 ends a message early. A request is `Sent::no` only as long as none of
/// its bytes was handed to the socket. A request that asks for a tunnel has no body until the
/// endpoint says 101; then both bodies are what goes through it, each up to its end of the
/// connection (TCP FIN), and the connection belongs to it for good. An endpoint that closes an idle
/// connection just as a request goes out has processed it or not: nobody can know. Source: RFC
/// 9112.
class ClientConnection final : public UpstreamConnection,
                               private ConnectorEvents,
                               private TransportEvents,
                               private UpstreamStream,
                               private Flushable {
 public:
  /// Body bytes taken from the endpoint and not yet by the client, beyond which reading pauses; one
  /// read may exceed it.
  static constexpr std::size_t kWindowBytes = 64 * std::size_t{1024};

  ClientConnection(Loop& loop,
                   const boost::asio::ip::tcp::endpoint& endpoint,
                   std::chrono::nanoseconds connect_timeout,
                   UpstreamConnectionEvents& events);
  ~ClientConnection() override;

  [[nodiscard]] std::size_t free_streams() const noexcept override {
    return state_ == State::idle ? 1 : 0;
  }
  [[nodiscard]] std::size_t open_streams() const noexcept override {
    return exchange_ == nullptr ? 0 : 1;
  }
  [[nodiscard]] bool takes_tunnels() const noexcept override { return true; }
  UpstreamStream& open(UpstreamEvents& events, const RequestHead& head, bool end) override;
  void drain() override;

 private:
  enum class State : std::uint8_t { connecting, idle, busy, over };
  enum class ReplyState : std::uint8_t { head, body, complete };  ///< `complete`: of a tunnel only
  enum class Tunnel : std::uint8_t { none, asked, open };

  void on_connect(Socket socket) override;
  void on_connect_failed(Errc reason) override;

  void on_bytes(std::span<const std::byte> bytes) override;
  void on_eof() override;
  void on_room(OutputBuffer& out) override;
  void on_closed(error_code error) override;

  void resume() override { transport_->want_write(); }
  void consumed(std::size_t n_bytes) override;
  void reset(Reset how) override;

  [[nodiscard]] std::string missing_websocket_key(const RequestHead& head) const;
  void read_head(std::span<const std::byte>& bytes);
  void take_head(ParsedReply reply);
  void read_body(std::span<const std::byte>& bytes);
  void end_reply();
  void end_tunnel_if_over();
  void end_attempt();
  bool write_body(OutputBuffer& out);

  void stop_keeping_alive();
  void flush() override { end(Errc::upstream_reset); }
  void end(Errc reason);

  [[nodiscard]] std::size_t window_bytes() noexcept {
    return BufferBudget::read_ahead(loop_.buffers().pressure(), kWindowBytes);
  }

  Loop& loop_;
  UpstreamConnectionEvents& events_;
  State state_ = State::connecting;
  bool keeps_alive_ = true;

  UpstreamEvents* exchange_ = nullptr;  ///< while busy, unless it was reset
  std::string request_head_;            ///< until it is handed to the socket
  bool was_sent_ = false;               ///< a byte of the request was handed to the socket
  bool request_ended_ = false;
  BodyWriter body_writer_;

  bool to_head_ = false;
  bool to_connect_ = false;  ///< HTTP/2's way to ask for a tunnel
  Tunnel tunnel_ = Tunnel::none;
  ReplyState reply_state_ = ReplyState::head;
  LineBlock head_lines_{LineBlock::LeadingEmptyLine::ends};
  BodyReader body_reader_;
  bool ends_with_connection_ = false;
  std::size_t uncredited_bytes_ = 0;

  std::optional<Connector> connector_;
  std::optional<Transport> transport_;
};

}  // namespace router::h1
