// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/acceptor.hpp"
#include "router/h2/session.hpp"
#include "router/worker/transport.hpp"

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <span>

#include <boost/asio/ip/tcp.hpp>

namespace router::h2 {

/// A client's HTTP/2 connection: a `Session` on a `Transport`, and a stream for each request. Owned
/// by its core.
class ServerConnection final : public router::ClientConnection,
                               private TransportEvents,
                               private SessionEvents {
 public:
  /// Longest wait for the PING that follows the first GOAWAY of a drain; a client that ignores
  /// PINGs gets the second then.
  static constexpr std::chrono::seconds kShutdownNotice{1};
  /// Longest that the preface, or one head with its CONTINUATIONs, may take:
  /// while one is under way, nothing else of the connection can be read.
  static constexpr std::chrono::seconds kHeaderTimeout{10};
  /// A head of so many times `SessionLimits::header_list_bytes` is no mistake: HPACK makes
  /// megabytes of a few frames, and all of them must be looked at. The connection ends, instead of
  /// a reply.
  static constexpr std::size_t kHopelessHeads = 4;
  /// Informational heads of one stream that wait to be written; they are under no flow control.
  /// Those beyond it are dropped, as RFC 9110 section 15.2 allows.
  static constexpr std::size_t kMaxInformational = 16;
  /// The same in bytes, one head more: as much as a stream may have of its body at its beginning.
  static constexpr std::size_t kMaxInformationalBytes = 64 * std::size_t{1024};

  ServerConnection(Loop& loop,
                   Socket socket,
                   RequestAcceptor& acceptor,
                   const SessionLimits& limits,
                   std::unique_ptr<tls::Session> tls = nullptr);
  ~ServerConnection() override;

  /// Begins with what was read while the protocol was told.
  void start(std::span<const std::byte> already_read);
  /// Begins with a request of HTTP/1.1. Who can speak that and did not insist on HTTP/2 counts as a
  /// caller in HTTP/1.1, where the caller's protocol decides what the endpoint is spoken to: some
  /// client libraries offer `upgrade: h2c` to everybody.
  void start(SwitchedConnection switched);
  void drain() override;

 private:
  class Stream;

  void on_bytes(std::span<const std::byte> bytes) override;
  void on_eof() override { end(); }
  void on_room(OutputBuffer& out) override;
  void on_closed(error_code /*error*/) override { end(); }

  [[nodiscard]] StreamEvents* on_new_stream(StreamId id) override;
  void on_settings() override {}
  void on_goaway() override {}
  void on_ping_ack() override;
  void on_invalid_frame() override;
  void on_limit_hit(telemetry::Limit limit) override { loop_.metrics().hit(limit); }

  /// Heads that need not be sent are not kept for a client that does not read, once memory is
  /// short.
  [[nodiscard]] bool is_short_of_memory() noexcept {
    return loop_.buffers().pressure() == Pressure::full && session_.n_copied_bytes() > 0;
  }
  void count_copies() noexcept { counted_copies_.set(session_.n_copied_bytes()); }
  void watch_head();
  void on_head_late() { give_up(telemetry::Limit::header_timeout); }
  void watch_windows();
  void on_windows_due();
  void give_up(telemetry::Limit limit);
  void on_notice_over();
  void end();

  Loop& loop_;
  RequestAcceptor& acceptor_;
  SessionLimits limits_;
  BufferShare& buffers_;  ///< the caller's
  CallerProtocol protocol_ = CallerProtocol::h2;
  Session session_;
  CountedBytes counted_copies_{buffers_};  ///< of informational heads and trailers, in the session
  std::list<Stream> streams_;
  Transport transport_;
  Timer notice_timer_{on_timer<&ServerConnection::on_notice_over>, this};
  Timer head_timer_{on_timer<&ServerConnection::on_head_late>, this};
  std::optional<std::uint64_t> timed_block_;  ///< the field block that `head_timer_` is armed for
  Timer window_timer_{on_timer<&ServerConnection::on_windows_due>, this};
  TimePoint taken_at_{};  ///< when bytes of any body last went out
  bool is_draining_ = false;
  bool is_over_ = false;
};

}  // namespace router::h2
