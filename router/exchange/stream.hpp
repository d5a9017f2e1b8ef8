// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/exchange/headers.hpp"
#include "router/worker/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

#include <boost/asio/ip/address.hpp>

/// The two seams that an exchange joins, neutral of protocol. HTTP/2 (`h2/`) and HTTP/1.1 (`h1/`)
/// implement both.
///
/// Bodies are pulled, heads are pushed. Whoever writes to a socket pulls body bytes from the
/// exchange when the peer's window (HTTP/2) or the socket (HTTP/1.1) has room; the exchange then
/// calls `consumed` on the side that the bytes came from. So a byte is credited to its sender when
/// the other side has taken it, and a slow reader slows its own sender only.
///
/// Calls in both directions may come from inside each other. Streams only queue in their calls and
/// write at the end of the loop turn; none of these calls is answered by destroying the caller,
/// except where it says so.
namespace router {

/// What follows the bytes that were just pulled.
enum class BodyState : std::uint8_t {
  open,      ///< more will come: wait for `resume`
  ended,     ///< the message is complete
  trailers,  ///< the body is complete; `trailers()` ends the message
};

struct Pulled {
  std::size_t n_bytes = 0;
  BodyState state = BodyState::open;
};

/// How a peer, or the router itself, ended a stream before its end.
enum class Reset : std::uint8_t {
  cancel,    ///< HTTP/2 CANCEL: nobody wants the rest
  no_error,  ///< HTTP/2 NO_ERROR: the reply is complete, the rest of the request is not wanted (RFC
             ///< 9113, 8.1)
  refused,   ///< HTTP/2 REFUSED_STREAM: provably not processed (RFC 9113, 8.7)
  protocol_error,  ///< HTTP/2 PROTOCOL_ERROR
  internal_error,  ///< HTTP/2 INTERNAL_ERROR; HTTP/1.1 closes the connection
};

/// What a client's stream tells the exchange, and asks of it.
class ClientEvents {
 public:
  /// Body bytes of the request. They stay charged to the client until `ClientStream::consumed`.
  virtual void on_request_data(std::span<const std::byte> bytes) = 0;
  virtual void on_request_trailers(HeaderList trailers) = 0;  ///< they end the request
  virtual void on_request_end() = 0;
  /// The client reset the stream or its connection is gone: `ClientStream` must not be used any
  /// more.
  virtual void on_client_gone(Reset how) = 0;
  /// The reply has been written whole: `ClientStream` must not be used any more.
  virtual void on_reply_sent() = 0;
  /// Moves the next bytes of the reply's body into `into`.
  [[nodiscard]] virtual Pulled pull_reply(std::span<std::byte> into) = 0;
  /// Whether that would give bytes now, or the end.
  [[nodiscard]] virtual bool has_reply_to_pull() const noexcept = 0;
  /// Asked once, when `pull_reply` has answered `trailers`.
  [[nodiscard]] virtual const HeaderList& reply_trailers() const = 0;

 protected:
  ~ClientEvents() = default;
};

/// One request's stream toward the client. Owned by its connection.
class ClientStream {
 public:
  /// Where the connection comes from; an IPv4 address is never in its IPv6 form.
  [[nodiscard]] virtual const boost::asio::ip::address& peer() const noexcept = 0;
  virtual void send_informational(const ReplyHead& head) = 0;  ///< 1xx; `head` is read at once
  /// The request is on its way to an endpoint: a client that waits for leave to send its body gets
  /// it (RFC 9110 section 10.1.1), if that is a matter of its connection. May come again.
  virtual void want_body() = 0;
  /// Sends the final head. With `end`, it is the whole reply; otherwise the body is pulled.
  virtual void send_head(ReplyHead head, bool end) = 0;
  /// Whether trailers reach the client. If not, they are left out.
  [[nodiscard]] virtual bool takes_trailers() const noexcept = 0;
  /// There is more to pull: bytes, the end, or trailers.
  virtual void resume() = 0;
  /// Gives `n_bytes` of the request's body back to the client's window.
  virtual void consumed(std::size_t n_bytes) = 0;
  /// Ends the stream at once; no event follows, and the stream must not be used any more.
  virtual void reset(Reset how) = 0;

 protected:
  ~ClientStream() = default;
};

/// How an attempt ended without a complete reply.
struct AttemptFailure {
  Errc reason = Errc::upstream_reset;
  /// The request provably reached no application: it may go to another endpoint whatever its
  /// method.
  Sent sent = Sent::maybe;
  /// It was the connection that did not take the request, since it broke or was being ended: where
  /// no other endpoint is left, the same one may be asked over another.
  bool may_return = false;
};

/// What an upstream stream tells the exchange, and asks of it.
class UpstreamEvents {
 public:
  virtual void on_informational(ReplyHead head) = 0;         ///< 1xx but 101
  virtual void on_reply_head(ReplyHead head, bool end) = 0;  ///< with `end` the reply is complete
  /// Body bytes of the reply. They stay charged to the endpoint until `UpstreamStream::consumed`.
  virtual void on_reply_data(std::span<const std::byte> bytes) = 0;
  virtual void on_reply_trailers(HeaderList trailers) = 0;  ///< they end the reply
  virtual void on_reply_end() = 0;
  /// The attempt is over: `UpstreamStream` must not be used any more.
  virtual void on_attempt_failed(AttemptFailure failure) = 0;
  /// Both directions are complete, or the reply is and the endpoint wants no more of the request:
  /// `UpstreamStream` must not be used any more.
  virtual void on_upstream_closed() = 0;
  /// Moves the next bytes of the request's body into `into`.
  [[nodiscard]] virtual Pulled pull_request(std::span<std::byte> into) = 0;
  /// Asked once, when `pull_request` has answered `trailers`.
  [[nodiscard]] virtual const HeaderList& request_trailers() const = 0;

 protected:
  ~UpstreamEvents() = default;
};

/// One attempt's stream toward an endpoint. Owned by its connection.
class UpstreamStream {
 public:
  /// There is more to pull: bytes, the end, or trailers.
  virtual void resume() = 0;
  /// Gives `n_bytes` of the reply's body back to the endpoint's window.
  virtual void consumed(std::size_t n_bytes) = 0;
  /// Ends the stream at once; no event follows, and the stream must not be used any more.
  virtual void reset(Reset how) = 0;

 protected:
  ~UpstreamStream() = default;
};

class UpstreamConnection;

/// What a connection to an endpoint tells its pool.
class UpstreamConnectionEvents {
 public:
  virtual void on_connected(UpstreamConnection& connection) = 0;  ///< streams may be opened
  /// `free_streams` has grown, or the connection has no stream left.
  virtual void on_capacity(UpstreamConnection& connection) = 0;
  /// No new stream may be opened; open ones go on (GOAWAY, `Connection: close`).
  virtual void on_draining(UpstreamConnection& connection) = 0;
  /// It belongs to one tunnel from now on, and ends with it. `on_draining` does not come any more.
  virtual void on_tunnel(UpstreamConnection& connection) = 0;
  /// Gone. Its streams have been failed. `connected` tells whether `on_connected` had come; if not,
  /// `reason` is connect_failed, connect_timeout or upstream_protocol_error, or what says nothing
  /// of the endpoint: queue_timeout, since no socket was to be had. The pool destroys the
  /// connection later, from its own stack.
  virtual void on_disconnected(UpstreamConnection& connection, bool connected, Errc reason) = 0;

 protected:
  ~UpstreamConnectionEvents() = default;
};

/// A connection to an endpoint, in whatever protocol. Owned by its pool.
class UpstreamConnection : public Disposable {
 public:
  /// How many more streams can be opened now: within the peer's limit and ours; 0 before
  /// `on_connected` and when draining.
  [[nodiscard]] virtual std::size_t free_streams() const noexcept = 0;
  [[nodiscard]] virtual std::size_t open_streams() const noexcept = 0;
  /// Whether a tunnel can be asked for (`RequestHead::protocol`). Where it cannot, a request that
  /// may ask for one, but must not have it, is sent without: HTTP/1.1's `upgrade`.
  [[nodiscard]] virtual bool takes_tunnels() const noexcept = 0;
  /// Opens a stream; requires `free_streams() > 0`. `head` must live until the attempt is over.
  /// With `end` the request has no body; otherwise it is pulled from `events`.
  virtual UpstreamStream& open(UpstreamEvents& events, const RequestHead& head, bool end) = 0;
  /// Takes no new streams and closes when the last has ended; `on_disconnected` follows.
  virtual void drain() = 0;
};

}  // namespace router
