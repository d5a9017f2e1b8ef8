// SPDX-License-Identifier: Apache-2.0
#include "router/worker/transport.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/smart_ptr/make_local_shared.hpp>

namespace router {

using boost::asio::ip::tcp;

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

Transport::Transport(Loop& loop, tcp::socket socket, TransportEvents& events)
    : loop_{loop},
      socket_{std::move(socket)},
      events_{events},
      self_{boost::make_local_shared<Transport*>(this)} {
  // Failures here mean that the peer has gone already; the first read will say so.
  error_code ignored;
  peer_ = socket_.remote_endpoint(ignored);
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
  if (is_closed_ || !is_reading_) {
    return;
  }
  if (error) {
    fail(error);
    return;
  }
  const auto buffer = loop_.read_buffer();
  const std::size_t n_bytes =
      socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
  if (error == boost::asio::error::eof) {
    is_reading_ = false;
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
  if (is_closed_ || write_waiting_) {
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
  if (closing_) {
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
  closing_ = true;
  want_write();
}

void Transport::close() noexcept {
  if (!is_closed_) {
    is_closed_ = true;
    stall_timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }
}

void Transport::fail(error_code error) {
  if (!is_closed_) {
    close();
    events_.on_closed(error);
  }
}

}  // namespace router
