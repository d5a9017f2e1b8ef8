// SPDX-License-Identifier: Apache-2.0
#include "router/worker/transport.hpp"

#include "router/worker/caller_share.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/error.hpp>

namespace router {

Transport::Transport(Loop& loop,
                     Socket socket,
                     TransportEvents& events,
                     std::unique_ptr<tls::Session> tls)
    : loop_{loop},
      peer_{socket.peer()},
      socket_{std::move(socket)},
      events_{events},
      tls_{std::move(tls)} {
  // Failures here mean that the peer has gone already; the first read will say so.
  static_cast<void>(socket_.set_option(IPPROTO_TCP, TCP_NODELAY, 1));
  static_cast<void>(socket_.set_option(IPPROTO_TCP, TCP_NOTSENT_LOWAT, kMaxUnsentBytes));
}

Transport::~Transport() {
  close();
  loop_.forget(*this);
}

void Transport::watch() {
  if (heeds_end_ && !wants_to_read() && !is_full_) {
    loop_.poller().watch_for_end(socket_.number(), *this);
  } else {
    loop_.poller().watch(socket_.number(), *this, wants_to_read(), is_full_);
  }
}

void Transport::start_reading() {
  is_reading_ = true;
  if (!is_closed_) {
    watch();
  }
}

void Transport::heed_end() {
  heeds_end_ = true;
  if (!is_closed_) {
    watch();
  }
}

void Transport::on_ready(bool readable, bool writable) {
  if (writable && (share_ == nullptr || share_->may_write())) {
    is_full_ = false;
    watch();
    flush();
  }
  if (!readable || is_closed_) {
    return;
  }
  if (wants_to_read()) {
    read();
  } else {
    watch();
  }
}

void Transport::on_peer_end(bool is_lost) {
  if (is_lost) {
    fail(socket_.error());
  } else {
    events_.on_eof_ahead();
  }
}

void Transport::read() {
  auto buffer = loop_.read_buffer();
  if (share_ != nullptr) {
    buffer = buffer.first(std::min(buffer.size(), share_->n_bytes_left()));
    if (buffer.empty()) {
      return;  // it is still readable in the next turn
    }
  }
  const Result<std::size_t> n_bytes = socket_.read(buffer);
  if (n_bytes.has_error()) {
    if (!is_not_ready(n_bytes.error())) {
      fail(n_bytes.error());
    }
  } else if (is_lingering_) {
    if (*n_bytes == 0) {
      fail({});
    }
  } else if (*n_bytes == 0) {
    on_peer_ended();
  } else {
    if (share_ != nullptr) {
      share_->count_bytes(*n_bytes);
    }
    on_received(buffer.first(*n_bytes));
  }
}

void Transport::on_received(std::span<const std::byte> bytes) {
  if (tls_) {
    decrypt(bytes);
  } else {
    events_.on_bytes(bytes);
  }
}

/// Hands on all that is whole in `bytes`, so that nothing is left that no event would tell of.
void Transport::decrypt(std::span<const std::byte> bytes) {
  std::array<std::byte, tls::Session::kMaxRecordBytes> plaintext;
  tls_->feed(bytes);
  while (!is_closed_) {
    const tls::Session::Read got = tls_->read(plaintext, output_);
    if (got.kind == tls::Session::Read::Kind::bytes) {
      events_.on_bytes(std::span{plaintext}.first(got.n_bytes));
      continue;
    }
    if (got.kind == tls::Session::Read::Kind::ended) {
      on_peer_ended();
    } else if (got.kind == tls::Session::Read::Kind::failed) {
      fail({EPROTO, boost::system::system_category()});
    }
    break;
  }
  if (!is_closed_ && !output_.empty()) {
    want_write();  // what TLS itself has to say
  }
}

/// Also without TLS's own end: the protocols on top know by themselves what is whole.
void Transport::on_peer_ended() {
  is_reading_ = false;
  has_peer_ended_ = true;
  events_.on_eof();
}

void Transport::fill_output() {
  if (!tls_) {
    events_.on_room(output_);
    return;
  }
  OutputBuffer& plaintext = loop_.plaintext();
  events_.on_room(plaintext);
  if (!is_closed_) {
    tls_->write(plaintext.pending(), output_);
    if (closing_ != Closing::no && output_.empty()) {
      tls_->end(output_);
    }
  }
  plaintext.mark_written(plaintext.pending().size());
}

void Transport::flush() {
  if (is_closed_ || is_full_ || is_lingering_) {
    return;
  }
  for (;;) {
    if (output_.empty()) {
      fill_output();
      if (is_closed_) {
        return;
      }
    }
    if (output_.empty()) {
      break;
    }
    if (!write_pending()) {
      counted_output_.set(output_.memory_bytes());
      return;
    }
  }
  counted_output_.set(0);
  stall_timer_.cancel();
  if (closing_ == Closing::when_flushed || (closing_ == Closing::when_read && has_peer_ended_)) {
    fail({});
  } else if (closing_ == Closing::when_read) {
    linger();
  } else if (closing_ == Closing::output) {
    closing_ = Closing::no;
    ::shutdown(socket_.number(), SHUT_WR);  // fails if the peer has gone, which the next read tells
  }
}

void Transport::linger() {
  if (::shutdown(socket_.number(), SHUT_WR) != 0) {
    fail({});
    return;
  }
  is_lingering_ = true;
  n_unread_bytes_ = n_unread_bytes();
  loop_.arm(linger_timer_, loop_.now() + kLinger);
  watch();
}

/// Bytes that the peer's kernel has not acknowledged.
int Transport::n_unread_bytes() {
  int n_bytes = 0;
  return ::ioctl(socket_.number(), SIOCOUTQ, &n_bytes) == 0 ? n_bytes : 0;
}

void Transport::on_linger_over() {
  const int before = std::exchange(n_unread_bytes_, n_unread_bytes());
  if (n_unread_bytes_ > 0 && n_unread_bytes_ < before) {
    loop_.arm(linger_timer_, loop_.now() + kLinger);
  } else {
    fail({});
  }
}

bool Transport::write_pending() {
  if (share_ != nullptr && !share_->may_write()) {
    is_full_ = true;  // the socket can be written, which the next turn hears of
    watch();
    return false;
  }
  const Result<std::size_t> n_bytes = socket_.write(output_.pending());
  if (n_bytes.has_error() && is_not_ready(n_bytes.error())) {
    if (!stall_timer_.is_armed()) {
      loop_.arm(stall_timer_, loop_.now() + kWriteStall);
    }
    is_full_ = true;
    watch();
    return false;
  }
  if (n_bytes.has_error()) {
    fail(n_bytes.error());
    return false;
  }
  if (share_ != nullptr) {
    share_->count_written(*n_bytes);
  }
  output_.mark_written(*n_bytes);
  stall_timer_.cancel();
  return true;
}

void Transport::end_output() {
  closing_ = Closing::output;
  want_write();
}

void Transport::close_when_flushed() {
  closing_ = Closing::when_flushed;
  want_write();
}

void Transport::close_when_read() {
  closing_ = Closing::when_read;
  want_write();
}

void Transport::close() noexcept {
  if (!is_closed_) {
    is_closed_ = true;
    stall_timer_.cancel();
    linger_timer_.cancel();
    loop_.poller().forget(*this);
    socket_.close();
  }
}

Socket Transport::release() {
  loop_.poller().watch(socket_.number(), *this, false, false);
  loop_.poller().forget(*this);
  is_closed_ = true;
  return std::move(socket_);
}

void Transport::on_write_stalled() {
  loop_.metrics().hit(telemetry::Limit::write_stall);
  fail(boost::asio::error::timed_out);
}

void Transport::fail(error_code error) {
  if (!is_closed_) {
    close();
    events_.on_closed(error);
  }
}

}  // namespace router
