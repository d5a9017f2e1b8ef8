// SPDX-License-Identifier: Apache-2.0
#include "router/worker/transport.hpp"

#include "router/worker/caller_share.hpp"
#include "router/worker/unmapped.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/ip/address.hpp>

namespace router {

namespace ip = boost::asio::ip;
using ip::tcp;

Transport::Transport(Loop& loop,
                     tcp::socket socket,
                     TransportEvents& events,
                     std::unique_ptr<tls::Session> tls)
    : loop_{loop}, events_{events}, tls_{std::move(tls)} {
  // Failures here mean that the peer has gone already; the first read will say so.
  error_code ignored;
  peer_ = unmapped(socket.remote_endpoint(ignored).address());
  socket.non_blocking(true, ignored);
  socket.set_option(tcp::no_delay{true}, ignored);
  socket_ = socket.release();
}

Transport::~Transport() {
  close();
  loop_.forget(*this);
}

void Transport::watch() {
  loop_.poller().watch(socket_, *this, wants_to_read(), is_full_);
}

void Transport::start_reading() {
  is_reading_ = true;
  if (!is_closed_) {
    watch();
  }
}

void Transport::on_ready(bool readable, bool writable) {
  if (writable) {
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

void Transport::read() {
  auto buffer = loop_.read_buffer();
  if (share_ != nullptr) {
    buffer = buffer.first(std::min(buffer.size(), share_->n_bytes_left()));
    if (buffer.empty()) {
      return;  // it is still readable in the next turn
    }
  }
  const ssize_t n_bytes = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (n_bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (n_bytes < 0) {
    fail({errno, boost::system::system_category()});
  } else if (is_lingering_) {
    if (n_bytes == 0) {
      fail({});
    }
  } else if (n_bytes == 0) {
    on_peer_ended();
  } else {
    if (share_ != nullptr) {
      share_->count_bytes(static_cast<std::size_t>(n_bytes));
    }
    on_received(buffer.first(static_cast<std::size_t>(n_bytes)));
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
      counted_output_.set(output_.pending().size());
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
    ::shutdown(socket_, SHUT_WR);  // fails if the peer has gone, which the next read tells
  }
}

void Transport::linger() {
  if (::shutdown(socket_, SHUT_WR) != 0) {
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
  return ::ioctl(socket_, SIOCOUTQ, &n_bytes) == 0 ? n_bytes : 0;
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
  const auto bytes = output_.pending();
  const ssize_t n_bytes = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n_bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
    if (!stall_timer_.is_armed()) {
      loop_.arm(stall_timer_, loop_.now() + kWriteStall);
    }
    is_full_ = true;
    watch();
    return false;
  }
  if (n_bytes < 0) {
    fail({errno, boost::system::system_category()});
    return false;
  }
  output_.mark_written(static_cast<std::size_t>(n_bytes));
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
    ::close(socket_);
  }
}

tcp::socket Transport::release() {
  loop_.poller().watch(socket_, *this, false, false);
  loop_.poller().forget(*this);
  tcp::socket socket{loop_.io()};
  error_code ignored;  // it is a connected one
  socket.assign(peer_.is_v4() ? tcp::v4() : tcp::v6(), socket_, ignored);
  is_closed_ = true;
  return socket;
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
