// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/tls/session.hpp"
#include "router/worker/loop.hpp"
#include "router/worker/output_buffer.hpp"
#include "router/worker/socket.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <boost/asio/ip/address.hpp>

namespace router {

class CallerShare;

/// What a transport tells the protocol on top of it. No call is made after `close`, nor after
/// `on_closed`.
class TransportEvents {
 public:
  /// Bytes from the peer, valid during the call.
  virtual void on_bytes(std::span<const std::byte> bytes) = 0;
  /// The peer has sent its last byte (TCP FIN). Output may still be taken.
  virtual void on_eof() = 0;
  /// The same, told while reading is paused, to who has asked for that (`heed_end`): what the peer
  /// said before may be unread, and can still be read; `on_eof` follows it then.
  virtual void on_eof_ahead() {}
  /// There is room for output: append what is ready. Asked again when that is written, until
  /// nothing is appended.
  virtual void on_room(OutputBuffer& out) = 0;
  /// The connection is gone: reset, or the peer took nothing for `Transport::kWriteStall`, or
  /// everything was written after `close_when_flushed` (`error` is clear then).
  virtual void on_closed(error_code error) = 0;

 protected:
  ~TransportEvents() = default;
};

/// A connected TCP socket of one core, plain or with TLS: reads when readable into the loop's
/// scratch buffer, writes once per turn.
class Transport final : private Flushable, private Pollable {
 public:
  /// A peer that takes nothing for so long, with output pending, is gone or hostile.
  static constexpr std::chrono::seconds kWriteStall{30};
  /// What the kernel takes beyond what it may send at once: enough to keep it sending while a turn
  /// lasts. Without it a peer that does not read has megabytes of the node's memory for each
  /// connection (net.ipv4.tcp_wmem). Source: tcp(7), TCP_NOTSENT_LOWAT.
  static constexpr int kMaxUnsentBytes = 128 << 10;

  /// After the last byte, how long a peer may take to read it and to close its side; begins anew
  /// while it reads. A close at once would make the kernel answer what the peer still sends with a
  /// reset, which takes back what it has not read yet.
  static constexpr std::chrono::seconds kLinger{2};

  /// `events` must outlive the transport. The socket gets TCP_NODELAY. With `tls`,
  /// whose handshake is done, what it carries is encrypted.
  Transport(Loop& loop,
            Socket socket,
            TransportEvents& events,
            std::unique_ptr<tls::Session> tls = nullptr);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport();

  /// What is read and written counts in the caller's share, which outlives the connection; null: in
  /// none.
  void share_turns(CallerShare* share) noexcept { share_ = share; }
  void start_reading();
  /// Stops reading, so that the kernel's buffers fill and the peer waits. Bytes already read have
  /// been delivered.
  void pause_reading() noexcept { is_reading_ = false; }  // epoll hears of it at the next byte
  [[nodiscard]] bool is_reading() const noexcept { return is_reading_; }
  /// From now on a peer's end is heard of while reading is paused, too: that it is gone by
  /// `on_closed`, whatever is unread, and its FIN by `on_eof_ahead`. As far as the kernel knows of
  /// it: a FIN stays behind what the kernel has no room for.
  void heed_end();
  /// Has `on_room` called at the end of this turn (or, while the socket is full, when it takes
  /// bytes again).
  void want_write() { loop_.flush_later(*this); }
  /// Tells the peer, once all output is written, that there will be no more (TCP FIN). Reading goes
  /// on; nothing must be appended any more.
  void end_output();
  /// Closes once all output is written; `on_closed` follows.
  void close_when_flushed();
  /// The same, but leaves the peer time to read it: until it closes its side too, or `kLinger`.
  void close_when_read();
  /// Closes now; no event follows.
  void close() noexcept;
  /// Gives the socket away, which must be plain, with nothing left to write; then as after `close`.
  [[nodiscard]] Socket release();

  /// An IPv4 address is never in its IPv6 form. Unspecified if the peer had gone already.
  [[nodiscard]] const boost::asio::ip::address& peer() const noexcept { return peer_; }
  [[nodiscard]] Loop& loop() noexcept { return loop_; }

 private:
  void flush() override;
  void on_ready(bool readable, bool writable) override;
  void on_peer_end(bool is_lost) override;
  void read();
  void on_received(std::span<const std::byte> bytes);
  void decrypt(std::span<const std::byte> bytes);
  void on_peer_ended();
  void fill_output();
  [[nodiscard]] bool wants_to_read() const noexcept { return is_reading_ || is_lingering_; }
  void watch();
  bool write_pending();
  void on_write_stalled();
  void linger();
  void on_linger_over();
  [[nodiscard]] int n_unread_bytes();
  void fail(error_code error);

  Loop& loop_;
  boost::asio::ip::address peer_;
  Socket socket_;
  TransportEvents& events_;
  CallerShare* share_ = nullptr;       ///< null toward endpoints
  std::unique_ptr<tls::Session> tls_;  ///< null if the socket carries plain bytes
  OutputBuffer output_;                ///< as it goes to the socket
  CountedBytes counted_output_{loop_.buffers()};
  Timer stall_timer_{on_timer<&Transport::on_write_stalled>, this};
  bool is_reading_ = false;
  bool heeds_end_ = false;
  bool is_full_ = false;  ///< the socket takes no more for now, or its caller's share is used up
  enum class Closing : std::uint8_t { no, output, when_flushed, when_read };
  Closing closing_ = Closing::no;
  bool has_peer_ended_ = false;
  bool is_lingering_ = false;  ///< all is written, and our side is shut
  int n_unread_bytes_ = 0;     ///< when the linger timer was armed
  Timer linger_timer_{on_timer<&Transport::on_linger_over>, this};
  bool is_closed_ = false;
};

}  // namespace router
