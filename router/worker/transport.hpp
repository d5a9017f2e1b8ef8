// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/worker/loop.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// Bytes on their way to a socket. Bounded: producers stop when `room` is 0 and are asked again.
class OutputBuffer {
 public:
  /// One write's worth: a few full HTTP/2 frames. What is beyond it stays with its producer, under
  /// flow control.
  static constexpr std::size_t kBytes = 64 * std::size_t{1024};

  [[nodiscard]] std::size_t room() const noexcept {
    return bytes_.size() < kBytes ? kBytes - bytes_.size() : 0;
  }
  [[nodiscard]] bool empty() const noexcept { return written_ == bytes_.size(); }
  /// May go beyond `room`: a frame is never split by its producer.
  void append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  [[nodiscard]] std::span<const std::byte> pending() const noexcept {
    return std::span{bytes_}.subspan(written_);
  }
  void mark_written(std::size_t n_bytes) noexcept;

 private:
  std::vector<std::byte> bytes_;
  std::size_t written_ = 0;
};

/// What a transport tells the protocol on top of it. No call is made after `close`, nor after
/// `on_closed`.
class TransportEvents {
 public:
  /// Bytes from the peer, valid during the call.
  virtual void on_bytes(std::span<const std::byte> bytes) = 0;
  /// The peer has sent its last byte (TCP FIN). Output may still be taken.
  virtual void on_eof() = 0;
  /// There is room for output: append what is ready. Asked again when that is written, until
  /// nothing is appended.
  virtual void on_room(OutputBuffer& out) = 0;
  /// The connection is gone: reset, or the peer took nothing for `Transport::kWriteStall`, or
  /// everything was written after `close_when_flushed` (`error` is clear then).
  virtual void on_closed(error_code error) = 0;

 protected:
  ~TransportEvents() = default;
};

/// A connected TCP socket of one core: reads when readable into the loop's scratch buffer, writes
/// once per turn.
class Transport final : private Flushable, private Pollable {
 public:
  /// A peer that takes nothing for so long, with output pending, is gone or hostile (product.md,
  /// clients).
  static constexpr std::chrono::seconds kWriteStall{30};

  /// After the last byte, how long a peer may take to read it and to close its side; begins anew
  /// while it reads. A close at once would make the kernel answer what the peer still sends with a
  /// reset, which takes back what it has not read yet.
  static constexpr std::chrono::seconds kLinger{2};

  /// `events` must outlive the transport. The socket is made non-blocking, TCP_NODELAY.
  Transport(Loop& loop, boost::asio::ip::tcp::socket socket, TransportEvents& events);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport();

  void start_reading();
  /// Stops reading, so that the kernel's buffers fill and the peer waits. Bytes already read have
  /// been delivered.
  void pause_reading() noexcept { is_reading_ = false; }  // epoll hears of it at the next byte
  [[nodiscard]] bool is_reading() const noexcept { return is_reading_; }
  /// Has `on_room` called at the end of this turn (or, while the socket is full, when it takes
  /// bytes again).
  void want_write() { loop_.flush_later(*this); }
  /// Closes once all output is written; `on_closed` follows.
  void close_when_flushed();
  /// The same, but leaves the peer time to read it: until it closes its side too, or `kLinger`.
  void close_when_read();
  /// Closes now; no event follows.
  void close() noexcept;

  /// An IPv4 address is never in its IPv6 form. Unspecified if the peer had gone already.
  [[nodiscard]] const boost::asio::ip::address& peer() const noexcept { return peer_; }
  [[nodiscard]] Loop& loop() noexcept { return loop_; }

 private:
  void flush() override;
  void on_ready(bool readable, bool writable) override;
  void read();
  [[nodiscard]] bool wants_to_read() const noexcept { return is_reading_ || is_lingering_; }
  void watch();
  bool write_pending();
  void on_write_stalled();
  void linger();
  void discard_input();
  void on_linger_over();
  [[nodiscard]] int n_unread_bytes();
  void fail(error_code error);

  Loop& loop_;
  boost::asio::ip::address peer_;
  int socket_ = -1;
  TransportEvents& events_;
  OutputBuffer output_;
  Timer stall_timer_{on_timer<&Transport::on_write_stalled>, this};
  bool is_reading_ = false;
  bool is_full_ = false;  ///< the socket takes no more for now
  enum class Closing : std::uint8_t { no, when_flushed, when_read };
  Closing closing_ = Closing::no;
  bool has_peer_ended_ = false;
  bool is_lingering_ = false;  ///< all is written, and our side is shut
  int n_unread_bytes_ = 0;     ///< when the linger timer was armed
  Timer linger_timer_{on_timer<&Transport::on_linger_over>, this};
  bool is_closed_ = false;
};

}  // namespace router
