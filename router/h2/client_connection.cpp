// SPDX-License-Identifier: Apache-2.0
#include "router/h2/client_connection.hpp"

#include "router/worker/keep_alive.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace router::h2 {

/// One attempt: turns the session's fields and frames into the protocol-neutral seam, and back.
class ClientConnection::Stream final : public StreamEvents, public UpstreamStream {
 public:
  Stream(ClientConnection& connection, UpstreamEvents& exchange)
      : connection_{connection}, exchange_{&exchange} {}

  std::list<Stream>::iterator self;  ///< where the connection holds it
  StreamId id = 0;
  std::string_view protocol;  ///< of the tunnel that was asked for; text of the request's head

  void on_field(HeaderField field) override;
  void on_fields_end(bool end_stream) override;
  void on_data(std::span<const std::byte> bytes) override;
  void on_end_stream() override;
  void on_sent(bool /*end_stream*/) override { was_sent_ = true; }
  void on_stream_closed(std::uint32_t h2_error_code) override;
  [[nodiscard]] Pulled pull(std::span<std::byte> into) override {
    return exchange_ == nullptr ? Pulled{} : exchange_->pull_request(into);
  }
  [[nodiscard]] const HeaderList& outgoing_trailers() const override {
    return exchange_->request_trailers();
  }

  void resume() override {
    connection_.session_.resume(id);
    connection_.transport_->want_write();
  }
  void consumed(std::size_t n_bytes) override {
    connection_.session_.consume(id, n_bytes);
    connection_.transport_->want_write();
  }
  void reset(Reset how) override {
    exchange_ = nullptr;
    connection_.session_.reset(id, how);
    connection_.transport_->want_write();
  }

  /// The endpoint allows fewer streams than it did when this one was opened.
  void refuse_unless_sent() {
    if (!was_sent_ && exchange_ != nullptr) {
      connection_.session_.reset(id, Reset::cancel);
      fail({Errc::stream_refused, Sent::no, true});
    }
  }

  /// The connection is gone.
  void abandon(Errc reason) {
    if (exchange_ != nullptr && reply_ended_) {
      std::exchange(exchange_, nullptr)->on_upstream_closed();
    } else if (exchange_ != nullptr) {
      fail({reason, was_sent_ ? Sent::maybe : Sent::no, !was_sent_});
    }
  }

 private:
  void end_reply();
  void fail(AttemptFailure failure) {
    std::exchange(exchange_, nullptr)->on_attempt_failed(failure);
  }

  ClientConnection& connection_;
  UpstreamEvents* exchange_;
  ReplyHead head_;
  HeaderList trailers_;
  std::size_t field_bytes_ = 0;
  bool was_sent_ = false;
  bool has_head_ = false;
  bool reply_ended_ = false;
};

void ClientConnection::Stream::on_field(HeaderField field) {
  field_bytes_ += field_size(field.name().size(), field.value().size());
  if (exchange_ == nullptr) {
    return;
  }
  if (field_bytes_ > connection_.limits_.header_list_bytes) {
    connection_.session_.reset(id, Reset::protocol_error);
    fail({Errc::upstream_protocol_error, Sent::maybe});
  } else if (field.name() == ":status") {
    // nghttp2 has checked that it is three digits.
    std::from_chars(
        field.value().data(), field.value().data() + field.value().size(), head_.status);
  } else {
    (has_head_ ? trailers_ : head_.fields).add(std::move(field));
  }
}

void ClientConnection::Stream::on_fields_end(bool end_stream) {
  const std::size_t n_bytes = std::exchange(field_bytes_, 0);
  if (exchange_ == nullptr) {
    return;
  }
  if (!has_head_) {
    head_.n_bytes = n_bytes;
  }
  if (has_head_) {
    reply_ended_ = true;  // nghttp2 has checked that trailers end the stream
    exchange_->on_reply_trailers(std::move(trailers_));
  } else if (head_.status < 100) {
    connection_.session_.reset(id, Reset::protocol_error);
    fail({Errc::upstream_protocol_error, Sent::maybe});
  } else if (head_.status < 200) {
    exchange_->on_informational(std::exchange(head_, {}));
  } else {
    has_head_ = true;
    reply_ended_ = end_stream;
    if (head_.status < 300 && !protocol.empty()) {
      head_.protocol = head_.fields.keep(protocol);
    }
    exchange_->on_reply_head(std::move(head_), end_stream);
  }
}

void ClientConnection::Stream::on_data(std::span<const std::byte> bytes) {
  if (exchange_ == nullptr) {
    connection_.session_.consume(id, bytes.size());
  } else {
    exchange_->on_reply_data(bytes);
  }
}

void ClientConnection::Stream::on_end_stream() {
  reply_ended_ = true;
  if (exchange_ != nullptr) {
    exchange_->on_reply_end();
  }
}

void ClientConnection::Stream::on_stream_closed(std::uint32_t h2_error_code) {
  if (exchange_ != nullptr && reply_ended_) {
    std::exchange(exchange_, nullptr)->on_upstream_closed();
  } else if (exchange_ != nullptr && h2_error_code == NGHTTP2_REFUSED_STREAM) {
    // By RST_STREAM, or above the last id of a GOAWAY, or not sent any more after one: no work was
    // done (RFC 9113 section 8.7).
    fail({Errc::stream_refused, Sent::no, connection_.state_ != State::open});
  } else if (exchange_ != nullptr && h2_error_code == NGHTTP2_PROTOCOL_ERROR) {
    fail({Errc::upstream_protocol_error, Sent::maybe});
  } else if (exchange_ != nullptr) {
    fail({Errc::upstream_reset, was_sent_ ? Sent::maybe : Sent::no, !was_sent_});
  }
  connection_.on_stream_over(self);  // ends this object
}

ClientConnection::ClientConnection(Loop& loop,
                                   const boost::asio::ip::tcp::endpoint& endpoint,
                                   std::chrono::nanoseconds connect_timeout,
                                   const SessionLimits& limits,
                                   UpstreamConnectionEvents& events)
    : loop_{loop},
      limits_{limits},
      events_{events},
      session_{Role::client, limits, *this, loop.buffers()} {
  ConnectorEvents& self = *this;
  connector_.emplace(loop, endpoint, connect_timeout, self);
}

ClientConnection::~ClientConnection() = default;

void ClientConnection::on_connect(Socket socket) {
  state_ = State::greeting;
  keep_alive(socket, kPodTimeout);
  TransportEvents& self = *this;
  transport_.emplace(loop_, std::move(socket), self);
  loop_.arm(greeting_timer_, connector_->deadline());
  transport_->start_reading();
  transport_->want_write();
}

void ClientConnection::on_bytes(std::span<const std::byte> bytes) {
  session_.set_pressure(loop_.buffers().pressure());
  if (session_.feed(bytes, loop_.now()).has_error()) {
    end(Errc::upstream_protocol_error);
    return;
  }
  transport_->want_write();
}

void ClientConnection::on_room(OutputBuffer& out) {
  while (out.room() > 0) {
    const auto bytes = session_.drain();
    if (bytes.empty()) {
      break;
    }
    out.append(bytes);
  }
  counted_copies_.set(session_.n_copied_bytes());
  if (session_.is_finished()) {
    transport_->close_when_flushed();
  }
}

StreamEvents* ClientConnection::on_new_stream(StreamId /*id*/) {
  return nullptr;  // push is disabled, and nghttp2 refuses it
}

void ClientConnection::on_settings() {
  if (state_ == State::greeting) {
    greeting_timer_.cancel();
    state_ = State::open;
    was_connected_ = true;
    events_.on_connected(*this);
    return;
  }
  // nghttp2 would hold back what has not been written and is above a lowered limit, with no end.
  // Only streams at the end of the list can be such ones.
  std::size_t n_before = 0;
  for (Stream& stream : streams_) {
    if (n_before++ >= session_.peer_max_streams()) {
      stream.refuse_unless_sent();
    }
  }
  if (state_ == State::open) {
    events_.on_capacity(*this);  // the limit may have been raised
  }
}

void ClientConnection::on_goaway() {
  if (state_ == State::open) {
    state_ = State::draining;
    events_.on_draining(*this);
  }
}

std::size_t ClientConnection::free_streams() const noexcept {
  if (state_ != State::open || !session_.has_stream_ids()) {
    return 0;
  }
  const std::size_t allowed = std::min<std::size_t>(session_.peer_max_streams(), kMaxStreams);
  return allowed > streams_.size() ? allowed - streams_.size() : 0;
}

UpstreamStream& ClientConnection::open(UpstreamEvents& events, const RequestHead& head, bool end) {
  Stream& stream = streams_.emplace_back(*this, events);
  stream.self = std::prev(streams_.end());
  const bool asks_for_tunnel = session_.asks_for_tunnel(head);
  stream.protocol = asks_for_tunnel ? head.protocol : std::string_view{};
  // Without a tunnel nothing will come behind the head of a request that could have had one.
  const bool is_whole = end || (!head.protocol.empty() && !asks_for_tunnel);
  stream.id = session_.submit_request(head, is_whole, stream);
  transport_->want_write();
  return stream;
}

void ClientConnection::on_stream_over(std::list<Stream>::iterator stream) {
  streams_.erase(stream);
  if (state_ == State::open && !session_.has_stream_ids()) {
    drain();
  } else if (state_ == State::open) {
    events_.on_capacity(*this);
  }
  transport_->want_write();  // a finished session closes in `on_room`
}

void ClientConnection::drain() {
  if (state_ == State::connecting || state_ == State::greeting) {
    end(Errc::connect_failed);
    return;
  }
  if (state_ == State::open) {
    state_ = State::draining;
    session_.finish();
    events_.on_draining(*this);
    transport_->want_write();
  }
}

void ClientConnection::end(Errc reason) {
  const State before = std::exchange(state_, State::over);
  if (before == State::over) {
    return;
  }
  if (before == State::open) {
    events_.on_draining(*this);  // the pool first: whoever is abandoned looks for another place
  }
  greeting_timer_.cancel();
  if (transport_) {
    transport_->close();
  }
  for (Stream& stream : streams_) {
    stream.abandon(reason == Errc::upstream_protocol_error ? reason : Errc::upstream_reset);
  }
  const bool never_greeted = !was_connected_ && reason == Errc::upstream_reset;
  events_.on_disconnected(*this, was_connected_, never_greeted ? Errc::connect_failed : reason);
}

}  // namespace router::h2
