// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/acceptor.hpp"
#include "router/h1/body_reader.hpp"
#include "router/h1/head.hpp"
#include "router/h1/writer.hpp"
#include "router/worker/loop.hpp"
#include "router/worker/transport.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router::h1 {

struct ServerTimeouts {
  std::chrono::milliseconds header{10'000};  ///< of a head, or of trailers: first byte to last
  std::chrono::milliseconds idle{60'000};    ///< between a reply and the next request
  /// How long the rest of a request that was answered early is read and dropped. A close at once
  /// would make the kernel send a reset, which can overtake the reply.
  std::chrono::milliseconds linger{2'000};
};

/// A client's HTTP/1.1 (or 1.0) connection: one request after the other, in the order they came.
///
///     request:  head --> body --> complete          (body --> discarded: the reply is out, the
///     rest is not wanted) reply:    none --> head (queued) --> body --> none, and the next
///     request's head is read
///
/// A request that asks for a tunnel is `undecided` until the head of its reply: what comes behind
/// it waits unparsed, and is then either what the client says through the tunnel, up to the
/// connection's end, or the next request. Each side of a tunnel ends by itself (TCP FIN); with the
/// second the connection closes.
///
/// Pipelined requests wait unparsed until the reply before them is out; reading pauses meanwhile,
/// so what waits is one read at most. `Expect: 100-continue` is answered here as soon as an
/// endpoint is connected, and is not passed on: an HTTP/2 endpoint might never answer it, and the
/// client would wait for nothing. A request that is refused before gets its error without its body.
/// A client that closes its sending side has gone: its request is cancelled, as most proxies do;
/// at once, also while it is not read, since what is unread of it could not be answered any more.
/// The first request, without a body and over a plain connection, may make it an HTTP/2 one
/// (`upgrade: h2c`); later that is ignored. Source: RFC 9112, RFC 7540 section 3.2.
class ServerConnection final : public router::ClientConnection,
                               private TransportEvents,
                               private ClientStream {
 public:
  /// Body bytes taken from the client and not yet by the endpoint, beyond which reading pauses; one
  /// read may exceed it.
  static constexpr std::size_t kWindowBytes = 64 * std::size_t{1024};
  /// Informational heads waiting for a client that does not read; those beyond it are dropped, as
  /// RFC 9110 section 15.2 allows; under `Pressure::full`, those beyond the first.
  static constexpr std::size_t kMaxQueuedBytes = 64 * std::size_t{1024};

  ServerConnection(Loop& loop,
                   Socket socket,
                   RequestAcceptor& acceptor,
                   const ServerTimeouts& timeouts = {},
                   std::unique_ptr<tls::Session> tls = nullptr);

  /// Begins with what was read while the protocol was told.
  void start(std::span<const std::byte> already_read);
  void drain() override;

 private:
  enum class RequestState : std::uint8_t { head, undecided, body, discarded, complete };
  enum class ReplyState : std::uint8_t { none, head, body, sent };  ///< `sent`: of a tunnel only

  void on_bytes(std::span<const std::byte> bytes) override;
  void on_eof() override;
  void on_eof_ahead() override;
  void on_room(OutputBuffer& out) override;
  void on_closed(error_code /*error*/) override { end(); }

  [[nodiscard]] const boost::asio::ip::address& peer() const noexcept override {
    return transport_.peer();
  }
  void send_informational(const ReplyHead& head) override;
  void want_body() override;
  void send_head(ReplyHead head, bool end) override;
  [[nodiscard]] bool takes_trailers() const noexcept override { return takes_trailers_; }
  void resume() override { transport_.want_write(); }
  void consumed(std::size_t n_bytes) override;
  void reset(Reset how) override;

  void parse(std::span<const std::byte>& bytes);
  void parse_pending();
  void read_head(std::span<const std::byte>& bytes);
  void begin(ParsedRequest request);
  void read_body(std::span<const std::byte>& bytes);
  void end_request();
  [[nodiscard]] bool switch_to_h2(ParsedRequest& request, std::span<const std::byte>& behind);
  void refuse(const Flaw& flaw);

  void write_head(OutputBuffer& out);
  /// What waits to be written before the reply's body.
  void count_heads() { counted_heads_.set(queued_.size() + reply_head_.n_bytes); }
  [[nodiscard]] std::size_t max_queued_bytes() noexcept {
    return loop_.buffers().pressure() == Pressure::full ? 1 : kMaxQueuedBytes;
  }
  void drop_reply_head() {
    reply_head_ = {};
    count_heads();
  }
  void open_tunnel(OutputBuffer& out);
  void end_tunnel_if_over();
  /// What waits to be parsed, or has come of a head, or of trailers, that are not whole.
  void count_input() {
    counted_input_.set(unparsed_.size() + head_lines_.partial().size() +
                       body_reader_.partial_bytes());
  }
  bool write_body(OutputBuffer& out);
  void end_reply();
  void begin_next();
  void update_reading();

  void on_timeout();
  void close_when_read();
  void end();

  [[nodiscard]] std::size_t window_bytes() noexcept {
    return BufferBudget::read_ahead(loop_.buffers().pressure(), kWindowBytes);
  }

  Loop& loop_;
  RequestAcceptor& acceptor_;
  ServerTimeouts timeouts_;
  bool is_secure_;        ///< over TLS
  bool is_first_ = true;  ///< no request has begun yet

  RequestState request_state_ = RequestState::head;
  LineBlock head_lines_{LineBlock::LeadingEmptyLine::is_skipped};
  BodyReader body_reader_;
  std::vector<std::byte> unparsed_;  ///< what came behind a complete request
  std::size_t parsed_bytes_ = 0;     ///< of `unparsed_`, at its front
  CountedBytes counted_input_;
  std::size_t uncredited_bytes_ = 0;
  bool keeps_alive_ = true;
  bool takes_trailers_ = false;
  bool expects_continue_ = false;  ///< and has not been told to go on
  bool is_tunnel_ = false;         ///< HTTP has ended on this connection
  std::string websocket_key_;      ///< of a request that asks for a tunnel; empty if it has none

  ClientEvents* exchange_ = nullptr;  ///< from the request's head to the reply's end
  ReplyState reply_state_ = ReplyState::none;
  ReplyContext reply_context_;
  ReplyHead reply_head_;  ///< until it is written
  bool reply_is_head_only_ = false;
  BodyWriter body_writer_;
  std::string queued_;  ///< informational heads, or the reply to a request that could not be read
  CountedBytes counted_heads_;

  bool is_draining_ = false;
  bool is_closing_ = false;  ///< what is queued goes out, nothing more is read
  bool is_over_ = false;
  Timer timer_{on_timer<&ServerConnection::on_timeout>, this};
  Transport transport_;
};

}  // namespace router::h1
