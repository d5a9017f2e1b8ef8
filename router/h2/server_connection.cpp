// SPDX-License-Identifier: Apache-2.0
#include "router/h2/server_connection.hpp"

#include "router/worker/caller_share.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace router::h2 {

/// One request: turns the session's fields and frames into the protocol-neutral seam, and back.
class ServerConnection::Stream final : public StreamEvents, public ClientStream {
 public:
  Stream(ServerConnection& connection, StreamId id)
      : connection_{connection}, id_{id}, counted_head_{connection.buffers_} {}

  std::list<Stream>::iterator self;  ///< where the connection holds it

  void on_field(HeaderField field) override;
  void on_fields_end(bool end_stream) override;
  void on_data(std::span<const std::byte> bytes) override;
  void on_end_stream() override;
  void on_sent(bool end_stream) override;
  void on_stream_closed(std::uint32_t h2_error_code) override;
  [[nodiscard]] Pulled pull(std::span<std::byte> into) override;
  [[nodiscard]] const HeaderList& outgoing_trailers() const override {
    return exchange_->reply_trailers();
  }

  [[nodiscard]] const boost::asio::ip::address& peer() const noexcept override {
    return connection_.transport_.peer();
  }
  void send_informational(const ReplyHead& head) override {
    if (informational_unsent_ == kMaxInformational ||
        informational_bytes_ >= kMaxInformationalBytes || connection_.is_short_of_memory()) {
      connection_.loop_.metrics().hit(telemetry::Limit::informational_heads);
      return;
    }
    ++informational_unsent_;
    informational_bytes_ += size_of(head.fields);
    connection_.session_.submit_informational(id_, head);
    connection_.count_copies();
    connection_.transport_.want_write();
  }
  void want_body() override {}  // `expect` and its 100 pass through
  void send_head(ReplyHead head, bool end) override {
    reply_head_ = std::move(head);
    counted_head_.set(reply_head_.n_bytes);
    is_tunnel_ = !reply_head_.protocol.empty();
    if (reply_head_.status == 101) {
      reply_head_.status = 200;  // RFC 8441 section 5
    }
    connection_.session_.submit_reply(id_, reply_head_, end);
    connection_.transport_.want_write();
    if (!end && (exchange_ == nullptr || exchange_->has_reply_to_pull())) {
      expect_pull();  // without an exchange: a reply of the router's own, whose body is in
    }
  }
  [[nodiscard]] bool takes_trailers() const noexcept override { return true; }
  void resume() override {
    if (!is_pull_due_) {
      connection_.session_.resume(id_);
    }
    connection_.transport_.want_write();
    expect_pull();
  }
  void consumed(std::size_t n_bytes) override {
    connection_.session_.consume(id_, n_bytes);
    connection_.transport_.want_write();
  }
  void reset(Reset how) override {
    exchange_ = nullptr;
    connection_.session_.reset(id_, how);
    connection_.transport_.want_write();
  }

  /// Since when bytes of the reply have waited for the client's window; nothing if none do.
  [[nodiscard]] std::optional<TimePoint> stalled_since() const noexcept {
    return is_pull_due_ && !connection_.session_.has_window(id_) ? std::optional{pull_due_since_}
                                                                 : std::nullopt;
  }
  [[nodiscard]] bool is_pull_due() const noexcept { return is_pull_due_; }
  /// The client has let it wait too long.
  void give_up() {
    connection_.loop_.metrics().hit(telemetry::Limit::window_stall);
    abandon();
    reset(Reset::cancel);
    is_pull_due_ = false;
  }

  /// The request came before the connection was an HTTP/2 one.
  void take_over(RequestHead head) {
    head_ = std::move(head);
    has_begun_ = true;
    request_ended_ = true;
    begin(true);
  }
  /// The connection is gone, or nobody waits for the stream any more.
  void abandon() {
    if (ClientEvents* const exchange = std::exchange(exchange_, nullptr); exchange != nullptr) {
      exchange->on_client_gone(Reset::cancel);
    }
  }

 private:
  void on_pseudo_field(HeaderField field);
  void on_block_sent();
  void on_trailer(HeaderField field);
  void begin(bool end_stream);
  void end_tunnel_if_over();
  void expect_pull() {
    if (!std::exchange(is_pull_due_, true)) {
      pull_due_since_ = connection_.loop_.now();
      connection_.watch_windows();
    }
  }

  ServerConnection& connection_;
  StreamId id_;
  RequestHead head_;
  HeaderList trailers_;
  ReplyHead reply_head_;  ///< kept for nghttp2, which refers to its text until it is sent
  CountedBytes counted_head_;
  std::size_t field_bytes_ = 0;
  std::size_t informational_unsent_ = 0;
  std::size_t informational_bytes_ = 0;  ///< since last none were unsent
  ClientEvents* exchange_ = nullptr;
  bool has_begun_ = false;
  bool request_ended_ = false;
  bool is_tunnel_ = false;  ///< each direction ends by itself
  bool reply_ended_ = false;
  bool is_pull_due_ = false;  ///< there may be bytes to pull, and the session has not asked yet
  TimePoint pull_due_since_{};
};

Pulled ServerConnection::Stream::pull(std::span<std::byte> into) {
  const Pulled pulled = exchange_ == nullptr ? Pulled{} : exchange_->pull_reply(into);
  // What is left waits for a window; where nothing is, the next `resume` tells of more.
  is_pull_due_ = pulled.n_bytes > 0 && pulled.state == BodyState::open && exchange_ != nullptr &&
                 exchange_->has_reply_to_pull();
  if (pulled.n_bytes > 0) {
    pull_due_since_ = connection_.taken_at_ = connection_.loop_.now();
  }
  return pulled;
}

void ServerConnection::Stream::on_field(HeaderField field) {
  field_bytes_ += field_size(field.name().size(), field.value().size());
  if (field_bytes_ > kHopelessHeads * connection_.limits_.header_list_bytes) {
    connection_.give_up(telemetry::Limit::header_list_bytes);
  } else if (has_begun_) {
    on_trailer(std::move(field));
  } else if (field_bytes_ > connection_.limits_.header_list_bytes) {
    head_.is_too_large = true;
  } else if (field.name().starts_with(':')) {
    on_pseudo_field(std::move(field));
  } else if (field.name() == "host") {
    if (head_.authority.empty()) {
      head_.authority = field.value();
    }
    head_.pseudo.add(std::move(field));
  } else {
    head_.fields.add(std::move(field));
  }
}

/// A reply can tell of a head that is too large, not of trailers that are: it may have begun.
void ServerConnection::Stream::on_trailer(HeaderField field) {
  if (exchange_ == nullptr) {
    return;
  }
  if (field_bytes_ <= connection_.limits_.header_list_bytes) {
    trailers_.add(std::move(field));
    return;
  }
  connection_.loop_.metrics().hit(telemetry::Limit::header_list_bytes);
  std::exchange(exchange_, nullptr)->on_client_gone(Reset::protocol_error);
  reset(Reset::protocol_error);
}

void ServerConnection::Stream::on_pseudo_field(HeaderField field) {
  if (field.name() == ":method") {
    head_.method = field.value();
  } else if (field.name() == ":scheme") {
    head_.scheme = field.value();
  } else if (field.name() == ":authority") {
    head_.authority = field.value();
  } else if (field.name() == ":path") {
    head_.path = field.value();
  } else if (field.name() == ":protocol") {
    head_.protocol = field.value();  // RFC 8441 section 4
  }
  head_.pseudo.add(std::move(field));  // keeps the text of the views
}

void ServerConnection::Stream::on_fields_end(bool end_stream) {
  request_ended_ = end_stream;
  if (!has_begun_) {
    has_begun_ = true;
    begin(end_stream);
  } else if (exchange_ != nullptr) {
    exchange_->on_request_trailers(std::move(trailers_));
    end_tunnel_if_over();
  }
}

void ServerConnection::Stream::begin(bool end_stream) {
  head_.n_bytes += std::exchange(field_bytes_, 0);  // trailers have a limit of their own
  if (head_.is_too_large) {
    connection_.loop_.metrics().hit(telemetry::Limit::header_list_bytes);
  }
  head_.is_grpc = head_.fields.find("content-type").value_or("").starts_with("application/grpc");
  exchange_ =
      &connection_.acceptor_.begin(*this, std::move(head_), end_stream, connection_.protocol_);
}

void ServerConnection::Stream::on_data(std::span<const std::byte> bytes) {
  if (exchange_ == nullptr) {
    connection_.session_.consume(id_, bytes.size());
  } else {
    exchange_->on_request_data(bytes);
  }
}

void ServerConnection::Stream::on_end_stream() {
  request_ended_ = true;
  if (exchange_ != nullptr) {
    exchange_->on_request_end();
  }
  end_tunnel_if_over();
}

void ServerConnection::Stream::end_tunnel_if_over() {
  if (exchange_ != nullptr && request_ended_ && reply_ended_) {
    std::exchange(exchange_, nullptr)->on_reply_sent();
  }
}

/// Informational heads go first, each in its turn; then the reply's, and what follows that is not
/// counted here.
void ServerConnection::Stream::on_block_sent() {
  if (informational_unsent_ == 0) {
    reply_head_ = {};
    counted_head_.set(0);
  } else if (--informational_unsent_ == 0) {
    informational_bytes_ = 0;
  }
}

void ServerConnection::Stream::on_sent(bool end_stream) {
  on_block_sent();
  if (!end_stream || exchange_ == nullptr) {
    return;
  }
  if (is_tunnel_ && !request_ended_) {
    reply_ended_ = true;
    return;
  }
  std::exchange(exchange_, nullptr)->on_reply_sent();
  if (!request_ended_) {
    // The reply is complete and the rest of the request is not wanted: RFC 9113 section 8.1.
    connection_.session_.reset(id_, Reset::no_error);
  }
}

void ServerConnection::Stream::on_stream_closed(std::uint32_t h2_error_code) {
  if (ClientEvents* const exchange = std::exchange(exchange_, nullptr); exchange != nullptr) {
    exchange->on_client_gone(reset_of(h2_error_code));
  }
  connection_.streams_.erase(self);  // ends this object
}

ServerConnection::ServerConnection(Loop& loop,
                                   Socket socket,
                                   RequestAcceptor& acceptor,
                                   const SessionLimits& limits,
                                   std::unique_ptr<tls::Session> tls)
    : loop_{loop},
      acceptor_{acceptor},
      limits_{limits},
      buffers_{buffers_of(acceptor.share(), loop)},
      session_{Role::server, limits, *this, loop.buffers()},
      transport_{loop, std::move(socket), *this, std::move(tls)} {
  transport_.share_turns(acceptor.share());
}

ServerConnection::~ServerConnection() = default;

void ServerConnection::start(std::span<const std::byte> already_read) {
  transport_.start_reading();
  on_bytes(already_read);
}

void ServerConnection::start(SwitchedConnection switched) {
  constexpr StreamId kFirst = 1;
  protocol_ = CallerProtocol::http1;
  auto& stream = static_cast<Stream&>(*on_new_stream(kFirst));
  if (!session_.take_over(switched.settings, switched.head.method == "HEAD", stream)) {
    end();
    return;
  }
  stream.take_over(std::move(switched.head));
  start(switched.already_read);
}

void ServerConnection::on_bytes(std::span<const std::byte> bytes) {
  session_.set_pressure(loop_.buffers().pressure());
  const bool fed = session_.feed(bytes, loop_.now()).has_value();
  if (!fed) {
    end();
    return;
  }
  watch_head();
  transport_.want_write();
}

void ServerConnection::watch_head() {
  const auto block = session_.open_field_block();
  if (timed_block_ == block) {
    return;
  }
  timed_block_ = block;
  if (block) {
    loop_.arm(head_timer_, loop_.now() + kHeaderTimeout);
  } else {
    head_timer_.cancel();
  }
}

void ServerConnection::watch_windows() {
  if (!window_timer_.is_armed()) {
    loop_.arm(window_timer_, loop_.now() + Transport::kWriteStall);
  }
}

void ServerConnection::on_windows_due() {
  const TimePoint too_early = loop_.now() - Transport::kWriteStall;
  bool is_any_due = false;
  for (Stream& stream : streams_) {
    const auto since = stream.stalled_since();
    if (since && *since <= too_early && taken_at_ <= too_early) {
      give_up(telemetry::Limit::window_stall);
      return;
    }
    if (since && *since <= too_early) {
      stream.give_up();  // others go on: it alone is given up
    }
    is_any_due = is_any_due || stream.is_pull_due();
  }
  if (is_any_due) {
    // Soon enough for one that has come to a stall since.
    loop_.arm(window_timer_, loop_.now() + Transport::kWriteStall / 10);
  }
}

void ServerConnection::give_up(telemetry::Limit limit) {
  session_.give_up(limit);
  transport_.want_write();
}

void ServerConnection::on_room(OutputBuffer& out) {
  while (out.room() > 0) {
    const auto bytes = session_.drain();
    if (bytes.empty()) {
      break;
    }
    out.append(bytes);
  }
  count_copies();
  if (session_.is_finished()) {
    for (Stream& stream : streams_) {
      stream.abandon();  // those of a client that failed: it reads no reply any more
    }
    transport_.close_when_read();
  }
}

void ServerConnection::on_invalid_frame() {
  if (streams_.size() >= limits_.max_concurrent_streams) {
    loop_.metrics().hit(telemetry::Limit::client_streams);
  }
}

StreamEvents* ServerConnection::on_new_stream(StreamId id) {
  Stream& stream = streams_.emplace_back(*this, id);
  stream.self = std::prev(streams_.end());
  return &stream;
}

void ServerConnection::drain() {
  if (is_draining_ || is_over_) {
    return;
  }
  is_draining_ = true;
  session_.announce_shutdown();
  loop_.arm(notice_timer_, loop_.now() + kShutdownNotice);
  transport_.want_write();
}

void ServerConnection::on_ping_ack() {
  if (is_draining_) {
    notice_timer_.cancel();
    session_.finish();
    transport_.want_write();
  }
}

void ServerConnection::on_notice_over() {
  session_.finish();
  transport_.want_write();
}

void ServerConnection::end() {
  if (std::exchange(is_over_, true)) {
    return;
  }
  transport_.close();
  notice_timer_.cancel();
  head_timer_.cancel();
  window_timer_.cancel();
  for (Stream& stream : streams_) {
    stream.abandon();
  }
  acceptor_.on_connection_closed(*this);
}

}  // namespace router::h2
