// SPDX-License-Identifier: Apache-2.0
#include "router/h1/server_connection.hpp"

#include "router/exchange/reply.hpp"
#include "router/h1/h2c.hpp"
#include "router/h1/websocket.hpp"
#include "router/resolve/ascii_case.hpp"
#include "router/worker/caller_share.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace router::h1 {

ServerConnection::ServerConnection(Loop& loop,
                                   Socket socket,
                                   RequestAcceptor& acceptor,
                                   const ServerTimeouts& timeouts,
                                   std::unique_ptr<tls::Session> tls)
    : loop_{loop},
      acceptor_{acceptor},
      timeouts_{timeouts},
      is_secure_{tls != nullptr},
      counted_input_{buffers_of(acceptor.share(), loop)},
      counted_heads_{buffers_of(acceptor.share(), loop)},
      transport_{loop, std::move(socket), *this, std::move(tls)} {
  transport_.share_turns(acceptor.share());
}

void ServerConnection::start(std::span<const std::byte> already_read) {
  loop_.arm(timer_, loop_.now() + timeouts_.header);
  on_bytes(already_read);
  transport_.heed_end();
}

void ServerConnection::on_bytes(std::span<const std::byte> bytes) {
  parse(bytes);
  unparsed_.insert(unparsed_.end(), bytes.begin(), bytes.end());
  count_input();
  update_reading();
}

void ServerConnection::parse(std::span<const std::byte>& bytes) {
  const auto must_wait = [this] {
    return request_state_ == RequestState::complete || request_state_ == RequestState::undecided ||
           is_closing_ || is_over_;
  };
  while (!bytes.empty() && !must_wait()) {
    if (request_state_ == RequestState::head) {
      read_head(bytes);
    } else {
      read_body(bytes);
    }
  }
}

void ServerConnection::read_head(std::span<const std::byte>& bytes) {
  if (head_lines_.empty()) {
    loop_.arm(timer_, loop_.now() + timeouts_.header);
  }
  const auto is_whole = head_lines_.feed(bytes);
  if (!is_whole) {
    refuse(is_whole.error());
    return;
  }
  if (!*is_whole) {
    if (const auto may_become_one = check_beginning(head_lines_.partial()); !may_become_one) {
      refuse(may_become_one.error());
    }
    return;
  }
  timer_.cancel();
  auto request = parse_request(head_lines_.take(), is_secure_ ? "https" : "http");
  if (!request) {
    refuse(request.error());
    return;
  }
  if (equals_ignoring_case(request->head.protocol, "h2c")) {
    request->head.protocol = {};  // never passed on, whatever becomes of it here
    if (switch_to_h2(*request, bytes)) {
      return;
    }
  }
  begin(*std::move(request));
}

/// False if it stays what it is, as RFC 9110 section 7.8 allows.
bool ServerConnection::switch_to_h2(ParsedRequest& request, std::span<const std::byte>& behind) {
  auto settings = h2c_settings(request.head.fields);
  if (!settings || !is_first_ || is_secure_ || is_draining_) {
    return false;
  }
  request.head.fields.remove("http2-settings");
  SwitchedConnection switched{.socket = transport_.release(),
                              .head = std::move(request.head),
                              .settings = *std::move(settings),
                              .already_read = {behind.begin(), behind.end()}};
  behind = {};
  is_over_ = true;
  // Nothing was written before, so it fits; a peer that is gone is read next.
  static_cast<void>(switched.socket.write(std::as_bytes(std::span{kSwitchToH2})));
  acceptor_.on_switched_to_h2(*this, std::move(switched));
  return true;
}

void ServerConnection::begin(ParsedRequest request) {
  is_first_ = false;
  keeps_alive_ = request.keeps_alive && !is_draining_;
  takes_trailers_ = request.takes_trailers;
  reply_context_ = {
      .to_head = request.head.method == "HEAD", .to_http10 = request.is_http10, .closes = false};
  body_reader_ = BodyReader{request.framing};
  const bool has_body = !body_reader_.is_complete();
  expects_continue_ = has_body && request.expects_continue;
  const bool asks_for_tunnel = !request.head.protocol.empty();
  if (asks_for_tunnel) {
    request_state_ = RequestState::undecided;
    const auto key = request.head.fields.find("sec-websocket-key");
    websocket_key_ = key && key->size() == kWebsocketKeyChars ? *key : "";
  } else {
    request_state_ = has_body ? RequestState::body : RequestState::complete;
  }
  ClientEvents& exchange = acceptor_.begin(
      *this, std::move(request.head), !has_body && !asks_for_tunnel, CallerProtocol::http1);
  if (is_closing_ || is_over_) {
    return;  // reset from inside `begin`
  }
  exchange_ = &exchange;
}

void ServerConnection::want_body() {
  if (std::exchange(expects_continue_, false) && reply_state_ == ReplyState::none) {
    queued_ += write_informational({.status = 100, .fields = {}});
    count_heads();
    transport_.want_write();
  }
}

void ServerConnection::read_body(std::span<const std::byte>& bytes) {
  const auto content = body_reader_.read(bytes);
  if (!content && exchange_ == nullptr) {
    end();  // its reply is out already
    return;
  }
  if (!content) {
    refuse(content.error());
    return;
  }
  if (exchange_ != nullptr && !content->empty()) {
    uncredited_bytes_ += content->size();
    exchange_->on_request_data(*content);
  }
  if (is_closing_ || is_over_) {
    return;
  }
  if (body_reader_.is_complete()) {
    end_request();
  } else if (body_reader_.partial_bytes() > 0 && !timer_.is_armed()) {
    loop_.arm(timer_, loop_.now() + timeouts_.header);
  }
}

void ServerConnection::end_request() {
  request_state_ = RequestState::complete;
  timer_.cancel();
  if (exchange_ == nullptr) {
    begin_next();
  } else if (body_reader_.trailers().empty()) {
    exchange_->on_request_end();
  } else {
    exchange_->on_request_trailers(std::move(body_reader_.trailers()));
  }
}

/// Answers a request that cannot be read; where it ends is unknown, so it is the connection's last.
void ServerConnection::refuse(const Flaw& flaw) {
  timer_.cancel();
  if (exchange_ != nullptr) {
    std::exchange(exchange_, nullptr)->on_client_gone(Reset::protocol_error);
  } else {
    acceptor_.on_unreadable_request(flaw.code);
  }
  if (flaw.code == Errc::headers_too_large) {
    loop_.metrics().hit(telemetry::Limit::header_list_bytes);
  } else if (flaw.code == Errc::header_timeout) {
    loop_.metrics().hit(telemetry::Limit::header_timeout);
  }
  if (reply_state_ != ReplyState::body) {
    const LocalReply reply = make_local_reply(flaw.code, flaw.what, false);
    const Framing framing{Framing::Kind::length, reply.body.size()};
    queued_ += write_reply_head(reply.head, framing, {.closes = true});
    queued_ += reply.body;
    count_heads();
  }
  close_when_read();
}

void ServerConnection::update_reading() {
  const bool has_peer_ended = is_tunnel_ && request_state_ == RequestState::complete;
  if (is_over_ || has_peer_ended) {
    return;
  }
  const bool is_full = is_closing_ || !unparsed_.empty() ||
                       (exchange_ != nullptr && uncredited_bytes_ > window_bytes());
  if (is_full) {
    transport_.pause_reading();
  } else if (!transport_.is_reading()) {
    transport_.start_reading();
  }
}

void ServerConnection::consumed(std::size_t n_bytes) {
  uncredited_bytes_ -= std::min(n_bytes, uncredited_bytes_);
  update_reading();
}

void ServerConnection::send_informational(const ReplyHead& head) {
  if (queued_.size() >= max_queued_bytes()) {
    loop_.metrics().hit(telemetry::Limit::informational_heads);
  } else if (!reply_context_.to_http10) {
    queued_ += write_informational(head);
    count_heads();
    transport_.want_write();
  }
}

void ServerConnection::send_head(ReplyHead head, bool end) {
  reply_head_ = std::move(head);
  count_heads();
  reply_is_head_only_ = end;
  reply_state_ = ReplyState::head;  // written at the end of the turn: by then the rest of the
                                    // request may be in
  transport_.want_write();
}

void ServerConnection::on_room(OutputBuffer& out) {
  if (!queued_.empty()) {
    append_text(out, std::exchange(queued_, {}));
    count_heads();
  }
  while (out.room() > 0 && !is_closing_ && !is_over_) {
    if (reply_state_ == ReplyState::none || reply_state_ == ReplyState::sent) {
      break;
    }
    if (reply_state_ == ReplyState::head) {
      write_head(out);
    } else if (!write_body(out)) {
      break;
    }
  }
}

void ServerConnection::write_head(OutputBuffer& out) {
  if (request_state_ == RequestState::undecided && !reply_head_.protocol.empty()) {
    open_tunnel(out);
    return;
  }
  if (request_state_ == RequestState::undecided) {
    request_state_ = RequestState::complete;
    exchange_->on_request_end();
  }
  keeps_alive_ = keeps_alive_ && !is_draining_ && request_state_ == RequestState::complete;
  reply_context_.closes = !keeps_alive_;
  const Framing framing = reply_framing(reply_head_, reply_is_head_only_, reply_context_);
  append_text(out, write_reply_head(reply_head_, framing, reply_context_));
  drop_reply_head();
  body_writer_ = BodyWriter{framing};
  reply_state_ = ReplyState::body;
  if (reply_is_head_only_) {
    end_reply();
  }
}

void ServerConnection::open_tunnel(OutputBuffer& out) {
  constexpr Framing kBytes{Framing::Kind::until_close, 0};
  if (!websocket_key_.empty() && !reply_head_.fields.find("sec-websocket-accept")) {
    // An HTTP/2 endpoint knows nothing of it.
    reply_head_.fields.add_copy("sec-websocket-accept", websocket_accept(websocket_key_));
  }
  append_text(out, write_switch(reply_head_));
  drop_reply_head();
  is_tunnel_ = true;
  keeps_alive_ = false;
  reply_state_ = ReplyState::body;
  body_writer_ = BodyWriter{kBytes};
  request_state_ = RequestState::body;
  body_reader_ = BodyReader{kBytes};
  parse_pending();
}

void ServerConnection::end_tunnel_if_over() {
  if (request_state_ == RequestState::complete && reply_state_ == ReplyState::sent) {
    end_reply();
  }
}

/// Whether there may be more to write at once.
bool ServerConnection::write_body(OutputBuffer& out) {
  constexpr std::size_t kPullBytes = 16 * std::size_t{1024};
  std::array<std::byte, kPullBytes> scratch;
  const auto into = std::span{scratch}.first(std::min(kPullBytes, out.room()));
  const Pulled pulled = exchange_->pull_reply(into);
  if (exchange_ == nullptr) {
    return false;  // reset from inside the call
  }
  bool is_sound = body_writer_.write(out, into.first(pulled.n_bytes));
  if (is_sound && pulled.state == BodyState::open) {
    return pulled.n_bytes > 0;
  }
  const bool has_trailers = pulled.state == BodyState::trailers && takes_trailers_;
  is_sound =
      is_sound && body_writer_.finish(out, has_trailers ? &exchange_->reply_trailers() : nullptr);
  keeps_alive_ = keeps_alive_ && is_sound;  // a reply of another length than announced is cut off
  if (is_tunnel_) {
    reply_state_ = ReplyState::sent;
    transport_.end_output();
    end_tunnel_if_over();
    return false;
  }
  end_reply();
  return true;
}

void ServerConnection::end_reply() {
  reply_state_ = ReplyState::none;
  uncredited_bytes_ = 0;
  std::exchange(exchange_, nullptr)->on_reply_sent();
  if (request_state_ == RequestState::complete) {
    begin_next();
    return;
  }
  request_state_ = RequestState::discarded;
  loop_.arm(timer_, loop_.now() + timeouts_.linger);
  update_reading();
}

void ServerConnection::begin_next() {
  if (!keeps_alive_) {
    close_when_read();
    return;
  }
  request_state_ = RequestState::head;
  loop_.arm(timer_, loop_.now() + timeouts_.idle);
  parse_pending();
}

void ServerConnection::parse_pending() {
  std::vector<std::byte> pending = std::exchange(unparsed_, {});
  auto rest = std::span<const std::byte>{pending}.subspan(std::exchange(parsed_bytes_, 0));
  parse(rest);
  if (!rest.empty()) {
    parsed_bytes_ = pending.size() - rest.size();
    unparsed_ = std::move(pending);
  }
  count_input();
  update_reading();
}

void ServerConnection::drain() {
  if (std::exchange(is_draining_, true) || is_over_) {
    return;
  }
  keeps_alive_ = false;
  if (exchange_ == nullptr && request_state_ == RequestState::head && head_lines_.empty()) {
    close_when_read();
  }
}

void ServerConnection::on_timeout() {
  const bool is_in_head = request_state_ == RequestState::head && !head_lines_.empty();
  const bool is_in_trailers = request_state_ == RequestState::body;
  if (is_in_trailers && !transport_.is_reading()) {
    // What is missing of them may have come: it is not read before the body has been taken.
    loop_.arm(timer_, loop_.now() + timeouts_.header);
  } else if (is_in_head || is_in_trailers) {
    refuse({Errc::header_timeout, ""});
  } else {
    close_when_read();
  }
}

void ServerConnection::on_eof() {
  if (is_tunnel_ && exchange_ != nullptr) {
    request_state_ = RequestState::complete;
    exchange_->on_request_end();
    end_tunnel_if_over();
  } else if (exchange_ != nullptr) {
    end();
  } else if (!is_closing_) {
    close_when_read();
  }
}

/// What is unread of a tunnel is passed on first: there the end is that of one side.
void ServerConnection::on_eof_ahead() {
  if (exchange_ != nullptr && !is_tunnel_) {
    end();
  }
}

void ServerConnection::reset(Reset /*how*/) {
  // What is in the output already goes out; then the connection closes without an end of the body.
  exchange_ = nullptr;
  reply_state_ = ReplyState::none;
  drop_reply_head();
  close_when_read();
}

void ServerConnection::close_when_read() {
  is_closing_ = true;
  timer_.cancel();
  transport_.pause_reading();
  transport_.close_when_read();
}

void ServerConnection::end() {
  if (std::exchange(is_over_, true)) {
    return;
  }
  transport_.close();
  timer_.cancel();
  if (exchange_ != nullptr) {
    std::exchange(exchange_, nullptr)->on_client_gone(Reset::cancel);
  }
  acceptor_.on_connection_closed(*this);
}

}  // namespace router::h1
