// SPDX-License-Identifier: Apache-2.0
#include "router/worker/transport.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/make_local_shared.hpp>

namespace router {

namespace ip = boost::asio::ip;
using ip::tcp;

void OutputBuffer::mark_written(std::size_t n_bytes) noexcept {
  written_ += n_bytes;
  if (empty()) {
    bytes_.clear();
    written_ = 0;
    if (bytes_.capacity() > kBytes) {
      bytes_.shrink_to_fit();
    }
  }
}

namespace {

/// A dual-stack socket tells IPv4 peers in their IPv6 form (RFC 4291 section 2.5.5.2).
ip::address unmapped(const ip::address& address) {
  return address.is_v6() && address.to_v6().is_v4_mapped()
             ? ip::make_address_v4(ip::v4_mapped, address.to_v6())
             : address;
}

}  // namespace

Transport::Transport(Loop& loop, tcp::socket socket, TransportEvents& events)
    : loop_{loop},
      socket_{std::move(socket)},
      events_{events},
      self_{boost::make_local_shared<Transport*>(this)} {
  // Failures here mean that the peer has gone already; the first read will say so.
  error_code ignored;
  peer_ = unmapped(socket_.remote_endpoint(ignored).address());
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay{true}, ignored);
}

Transport::~Transport() {
  *self_ = nullptr;
  loop_.forget(*this);
}

void Transport::start_reading() {
  is_reading_ = true;
  if (!read_waiting_ && !is_closed_) {
    wait_readable();
  }
}

void Transport::wait_readable() {
  read_waiting_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = self_](error_code error) {
    if (*self != nullptr) {
      (*self)->loop_.begin_turn();
      (*self)->on_readable(error);
    }
  });
}

void Transport::on_readable(error_code error) {
  read_waiting_ = false;
  if (is_closed_ || !(is_reading_ || is_lingering_)) {
    return;
  }
  if (error) {
    fail(error);
    return;
  }
  if (is_lingering_) {
    discard_input();
    return;
  }
  const auto buffer = loop_.read_buffer();
  const std::size_t n_bytes =
      socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
  if (error == boost::asio::error::eof) {
    is_reading_ = false;
    has_peer_ended_ = true;
    events_.on_eof();
    return;
  }
  if (error && error != boost::asio::error::would_block) {
    fail(error);
    return;
  }
  const auto self = self_;
  if (n_bytes > 0) {
    events_.on_bytes(buffer.first(n_bytes));
  }
  if (*self != nullptr && is_reading_ && !is_closed_ && !read_waiting_) {
    wait_readable();
  }
}

void Transport::flush() {
  if (is_closed_ || write_waiting_ || is_lingering_) {
    return;
  }
  for (;;) {
    if (output_.empty()) {
      events_.on_room(output_);
      if (is_closed_) {
        return;
      }
    }
    if (output_.empty()) {
      break;
    }
    if (!write_pending()) {
      return;
    }
  }
  stall_timer_.cancel();
  if (closing_ == Closing::when_flushed || (closing_ == Closing::when_read && has_peer_ended_)) {
    fail({});
  } else if (closing_ == Closing::when_read) {
    linger();
  }
}

void Transport::linger() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) {
    fail({});
    return;
  }
  is_lingering_ = true;
  n_unread_bytes_ = n_unread_bytes();
  loop_.arm(linger_timer_, loop_.now() + kLinger);
  if (!read_waiting_) {
    wait_readable();
  }
}

void Transport::discard_input() {
  const auto buffer = loop_.read_buffer();
  error_code error;
  socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
  if (error && error != boost::asio::error::would_block) {
    fail({});
  } else {
    wait_readable();
  }
}

/// Bytes that the peer's kernel has not acknowledged.
int Transport::n_unread_bytes() {
  int n_bytes = 0;
  return ::ioctl(socket_.native_handle(), SIOCOUTQ, &n_bytes) == 0 ? n_bytes : 0;
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
  error_code error;
  const auto bytes = output_.pending();
  const std::size_t n_bytes =
      socket_.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == boost::asio::error::would_block) {
    if (!stall_timer_.is_armed()) {
      loop_.arm(stall_timer_, loop_.now() + kWriteStall);
    }
    wait_writable();
    return false;
  }
  if (error) {
    fail(error);
    return false;
  }
  output_.mark_written(n_bytes);
  stall_timer_.cancel();
  return true;
}

void Transport::wait_writable() {
  write_waiting_ = true;
  socket_.async_wait(tcp::socket::wait_write, [self = self_](error_code error) {
    if (*self != nullptr) {
      (*self)->loop_.begin_turn();
      (*self)->on_writable(error);
    }
  });
}

void Transport::on_writable(error_code error) {
  write_waiting_ = false;
  if (is_closed_) {
    return;
  }
  if (error) {
    fail(error);
    return;
  }
  flush();
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
    error_code ignored;
    socket_.close(ignored);
  }
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
