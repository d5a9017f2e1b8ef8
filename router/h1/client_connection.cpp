// SPDX-License-Identifier: Apache-2.0
#include "router/h1/client_connection.hpp"

#include "router/h1/websocket.hpp"
#include "router/worker/keep_alive.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace router::h1 {

ClientConnection::ClientConnection(Loop& loop,
                                   const boost::asio::ip::tcp::endpoint& endpoint,
                                   std::chrono::nanoseconds connect_timeout,
                                   UpstreamConnectionEvents& events)
    : loop_{loop}, events_{events} {
  ConnectorEvents& self = *this;  // the base is private, so `emplace` could not convert to it
  connector_.emplace(loop, endpoint, connect_timeout, self);
}

ClientConnection::~ClientConnection() {
  loop_.forget(*this);
}

void ClientConnection::on_connect(Socket socket) {
  state_ = State::idle;
  // An application that does not read closes TCP's own window, which is no sign of death.
  keep_alive(socket, Transport::kWriteStall);
  TransportEvents& self = *this;
  transport_.emplace(loop_, std::move(socket), self);
  transport_->start_reading();  // also to learn that the endpoint has closed an idle connection
  events_.on_connected(*this);
}

void ClientConnection::on_connect_failed(Errc reason) {
  end(reason);
}

/// HTTP/2 asks for WebSocket without one.
std::string ClientConnection::missing_websocket_key(const RequestHead& head) const {
  if (head.protocol != "websocket" || head.fields.find("sec-websocket-key")) {
    return {};
  }
  return websocket_key(static_cast<std::uint64_t>(loop_.now().time_since_epoch().count()),
                       reinterpret_cast<std::uintptr_t>(this));
}

UpstreamStream& ClientConnection::open(UpstreamEvents& events, const RequestHead& head, bool end) {
  state_ = State::busy;
  exchange_ = &events;
  const bool asks_for_tunnel = !head.protocol.empty();
  const Framing framing = request_framing(head, end || asks_for_tunnel);
  request_head_ = write_request_head(head, framing, missing_websocket_key(head));
  body_writer_ = BodyWriter{framing};
  request_ended_ = end;
  was_sent_ = false;
  to_head_ = head.method == "HEAD";
  to_connect_ = head.method == "CONNECT";
  tunnel_ = asks_for_tunnel ? Tunnel::asked : Tunnel::none;
  reply_state_ = ReplyState::head;
  transport_->want_write();
  return *this;
}

void ClientConnection::on_room(OutputBuffer& out) {
  if (!request_head_.empty()) {
    append_text(out, std::exchange(request_head_, {}));
    was_sent_ = true;
  }
  const auto may_pull = [this] {
    return state_ == State::busy && exchange_ != nullptr && !request_ended_ &&
           tunnel_ != Tunnel::asked;
  };
  while (out.room() > 0 && may_pull()) {
    if (!write_body(out)) {
      break;
    }
  }
}

/// Whether there may be more to write at once.
bool ClientConnection::write_body(OutputBuffer& out) {
  constexpr std::size_t kPullBytes = 16 * std::size_t{1024};
  std::array<std::byte, kPullBytes> scratch;
  const auto into = std::span{scratch}.first(std::min(kPullBytes, out.room()));
  const Pulled pulled = exchange_->pull_request(into);
  if (exchange_ == nullptr) {
    return false;  // reset from inside the call
  }
  bool is_sound = body_writer_.write(out, into.first(pulled.n_bytes));
  if (is_sound && pulled.state == BodyState::open) {
    return pulled.n_bytes > 0;
  }
  const HeaderList* const trailers =
      pulled.state == BodyState::trailers ? &exchange_->request_trailers() : nullptr;
  is_sound = is_sound && body_writer_.finish(out, trailers);
  if (!is_sound) {
    end(Errc::internal);  // another length than the client announced, which its own side should
                          // have refused
    return false;
  }
  request_ended_ = true;
  if (tunnel_ == Tunnel::open) {
    transport_->end_output();
    end_tunnel_if_over();
  }
  return true;
}

void ClientConnection::on_bytes(std::span<const std::byte> bytes) {
  if (state_ == State::idle || (state_ == State::busy && !was_sent_)) {
    end(Errc::upstream_reset);  // a reply that nobody asked for: it must not become the next
                                // request's
    return;
  }
  while (!bytes.empty() && exchange_ != nullptr) {
    if (reply_state_ == ReplyState::head) {
      read_head(bytes);
    } else {
      read_body(bytes);
    }
    if (exchange_ != nullptr && reply_state_ == ReplyState::body && body_reader_.is_complete()) {
      if (!bytes.empty()) {
        stop_keeping_alive();  // more than the reply: where a next one would begin is anybody's
                               // guess
      }
      end_attempt();
      return;
    }
  }
}

void ClientConnection::read_head(std::span<const std::byte>& bytes) {
  const auto is_whole = head_lines_.feed(bytes);
  if (is_whole && !*is_whole) {
    return;
  }
  const Asked asked{.by_head = to_head_, .for_tunnel = tunnel_ == Tunnel::asked};
  auto reply =
      is_whole ? parse_reply(head_lines_.take(), asked) : Parsed<ParsedReply>{is_whole.error()};
  // To CONNECT a success opens the tunnel, so one that does not must not look like it.
  const bool looks_open = reply && to_connect_ && reply->head.status / 100 == 2;
  if (!reply || looks_open) {
    end(Errc::upstream_protocol_error);
    return;
  }
  if (reply->head.status < 200 && reply->head.protocol.empty()) {
    exchange_->on_informational(std::move(reply->head));
    return;
  }
  take_head(*std::move(reply));
}

void ClientConnection::take_head(ParsedReply reply) {
  reply_state_ = ReplyState::body;
  if (tunnel_ == Tunnel::asked) {
    const bool is_open = !reply.head.protocol.empty();
    tunnel_ = is_open ? Tunnel::open : Tunnel::none;
    request_ended_ = !is_open;
    body_writer_ = BodyWriter{reply.framing};
  }
  ends_with_connection_ = reply.framing.kind == Framing::Kind::until_close;
  body_reader_ = BodyReader{reply.framing};
  if (tunnel_ == Tunnel::open) {
    keeps_alive_ = false;
    events_.on_tunnel(*this);
  } else if (!reply.keeps_alive) {
    stop_keeping_alive();
  }
  exchange_->on_reply_head(std::move(reply.head), body_reader_.is_complete());
  if (tunnel_ == Tunnel::open) {
    transport_->want_write();  // what the client has said meanwhile
  }
}

void ClientConnection::read_body(std::span<const std::byte>& bytes) {
  const auto content = body_reader_.read(bytes);
  if (!content) {
    end(Errc::upstream_protocol_error);
    return;
  }
  if (!content->empty()) {
    uncredited_bytes_ += content->size();
    if (uncredited_bytes_ > window_bytes()) {
      transport_->pause_reading();
    }
    exchange_->on_reply_data(*content);
  }
  if (body_reader_.is_complete() && exchange_ != nullptr) {
    end_reply();
  }
}

void ClientConnection::end_reply() {
  if (body_reader_.trailers().empty()) {
    exchange_->on_reply_end();
  } else {
    exchange_->on_reply_trailers(std::move(body_reader_.trailers()));
  }
}

void ClientConnection::end_tunnel_if_over() {
  if (exchange_ != nullptr && request_ended_ && reply_state_ == ReplyState::complete) {
    end_attempt();
  }
}

void ClientConnection::end_attempt() {
  if (!request_ended_) {
    stop_keeping_alive();  // the rest of the request can be neither sent nor left out
  }
  uncredited_bytes_ = 0;
  UpstreamEvents* const exchange = std::exchange(exchange_, nullptr);
  if (keeps_alive_) {
    state_ = State::idle;
    transport_->start_reading();
    exchange->on_upstream_closed();
    events_.on_capacity(*this);
  } else {
    exchange->on_upstream_closed();
    if (tunnel_ == Tunnel::open) {
      transport_->close_when_flushed();  // the client's last bytes may not be out yet
    } else {
      loop_.flush_later(*this);
    }
  }
}

void ClientConnection::consumed(std::size_t n_bytes) {
  uncredited_bytes_ -= std::min(n_bytes, uncredited_bytes_);
  const bool has_peer_ended = reply_state_ == ReplyState::complete;
  if (uncredited_bytes_ <= window_bytes() && state_ == State::busy && !has_peer_ended) {
    transport_->start_reading();
  }
}

void ClientConnection::reset(Reset /*how*/) {
  exchange_ = nullptr;
  request_head_.clear();
  transport_->pause_reading();
  loop_.flush_later(*this);  // closes at the end of the turn: the pool is not called from inside
                             // the exchange's call
}

void ClientConnection::on_eof() {
  if (tunnel_ == Tunnel::open && exchange_ != nullptr) {
    reply_state_ = ReplyState::complete;
    exchange_->on_reply_end();
    end_tunnel_if_over();
    return;
  }
  if (state_ == State::busy && exchange_ != nullptr && reply_state_ == ReplyState::body &&
      ends_with_connection_) {
    exchange_->on_reply_end();
    if (exchange_ != nullptr) {
      end_attempt();
    }
    return;
  }
  end(Errc::upstream_reset);
}

void ClientConnection::on_closed(error_code /*error*/) {
  end(Errc::upstream_reset);
}

void ClientConnection::drain() {
  if (state_ == State::busy) {
    stop_keeping_alive();
  } else if (state_ != State::over) {
    end(state_ == State::connecting ? Errc::connect_failed : Errc::upstream_reset);
  }
}

void ClientConnection::stop_keeping_alive() {
  if (std::exchange(keeps_alive_, false)) {
    events_.on_draining(*this);
  }
}

void ClientConnection::end(Errc reason) {
  const State before = std::exchange(state_, State::over);
  if (before == State::over) {
    return;
  }
  if (before != State::connecting && tunnel_ != Tunnel::open) {
    events_.on_draining(*this);  // the pool first: whoever is abandoned looks for another place
  }
  if (transport_) {
    transport_->close();
  }
  if (UpstreamEvents* const exchange = std::exchange(exchange_, nullptr); exchange != nullptr) {
    exchange->on_attempt_failed({reason, was_sent_ ? Sent::maybe : Sent::no, !was_sent_});
  }
  events_.on_disconnected(*this, before != State::connecting, reason);
}

}  // namespace router::h1
