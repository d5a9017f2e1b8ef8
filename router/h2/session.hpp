// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/exchange/headers.hpp"
#include "router/exchange/stream.hpp"
#include "router/h2/conduct.hpp"
#include "router/h2/frame_heads.hpp"
#include "router/h2/stream_windows.hpp"
#include "router/limits/buffer_budget.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace router::h2 {

using StreamId = std::int32_t;

/// Our own settings and limits of one connection, toward clients and endpoints alike.
struct SessionLimits {
  std::uint32_t max_concurrent_streams = 1000;    ///< announced to clients only
  std::uint32_t stream_window_bytes = 64 * 1024;  ///< of a stream at its beginning
  /// What it may grow to, as far as the way is long and its bytes are taken: so also what one that
  /// has been fast and then stalls can make us keep.
  std::uint32_t max_stream_window_bytes = 1024 * 1024;
  std::int32_t connection_window_bytes = 4 * 1024 * 1024;
  std::uint32_t header_list_bytes = 64 * 1024;  ///< RFC 9113 section 10.5.1
  /// Resets by the peer that are answered (CVE-2023-44487): one connection carries all the calls of
  /// a pod, whose cancelled hedges are honest, so this is far above nghttp2's default of 1,000
  /// and 33.
  std::uint64_t reset_burst = 20'000;
  std::uint64_t resets_per_second = 5'000;
  std::size_t max_continuations = 8;  ///< twice what 64 KiB of header fields need
  /// Frames that wait to be written, beyond which the peer does not read what it makes us answer:
  /// ten for each stream that may be open, whose head, trailers, window and end make four. Those of
  /// streams that have ended stay among them, so nothing else bounds them.
  std::size_t max_outbound_frames = 10'000;
  ConductLimits conduct{};
};

/// What a session tells one of its streams, and asks of it. Called only from inside `feed`,
/// `drain`.
class StreamEvents {
 public:
  virtual void on_field(HeaderField field) = 0;  ///< also pseudo-header fields, which come first
  /// A block of fields is complete: a head, an informational head, or trailers, which have no
  /// pseudo-header fields.
  virtual void on_fields_end(bool end_stream) = 0;
  /// The bytes stay charged to the stream's window until `Session::consume`.
  virtual void on_data(std::span<const std::byte> bytes) = 0;
  virtual void
  on_end_stream() = 0;  ///< by a DATA frame; a field block's own is told by `on_fields_end`
  /// Frames of ours have been handed to `drain`: a block of fields, or (`end_stream`) the last of
  /// the message.
  virtual void on_sent(bool end_stream) = 0;
  /// The stream is over, in both directions; it may destroy itself. NO_ERROR for one that ended
  /// well.
  virtual void on_stream_closed(std::uint32_t h2_error_code) = 0;
  [[nodiscard]] virtual Pulled pull(std::span<std::byte> into) = 0;
  [[nodiscard]] virtual const HeaderList& outgoing_trailers() const = 0;

 protected:
  ~StreamEvents() = default;
};

/// What a session tells its connection.
class SessionEvents {
 public:
  /// A client opens a stream. The answer gets its events; null refuses it.
  [[nodiscard]] virtual StreamEvents* on_new_stream(StreamId id) = 0;
  virtual void on_settings() = 0;  ///< the peer's SETTINGS have come and are in force
  virtual void on_goaway() = 0;    ///< the peer takes no new streams
  virtual void on_ping_ack() = 0;
  virtual void on_invalid_frame() = 0;  ///< the peer sent what it must not, or too much of it
  /// A limit is reached. The connection ends for it, and it comes once; but `window_growth` comes
  /// each time that the windows of streams may grow no further, and ends nothing.
  virtual void on_limit_hit(telemetry::Limit limit) = 0;

 protected:
  ~SessionEvents() = default;
};

enum class Role : std::uint8_t { server, client };

/// One HTTP/2 connection, without I/O: bytes in by `feed`, bytes out by `drain`.
///
/// Owning no socket and no timer makes it drivable from a test, a fuzzer, or a connection alike.
/// The connection's own window is credited as soon as bytes come in, a stream's only by `consume`:
/// so a stalled stream holds back nobody else, and what a connection can make us keep is its
/// streams times their window (`StreamWindows`). Not movable: nghttp2 holds a pointer to it.
/// Source: RFC 9113.
class Session {
 public:
  /// Queues the preface (client) and SETTINGS, which `drain` then returns. `buffers` says whether a
  /// stream's window may grow; it and `events` must outlive the session.
  Session(Role role, const SessionLimits& limits, SessionEvents& events, BufferShare& buffers);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() = default;

  /// Parses bytes read from the peer. A protocol error of the peer is no error here: its GOAWAY is
  /// queued (RFC 9113 section 5.4.1) and `is_finished` holds once `drain` has given it out. An
  /// error means that no answer is possible (no HTTP/2 preface, flooding, a peer that reads none):
  /// close at once. `now` is what rates are measured by.
  [[nodiscard]] Result<void> feed(std::span<const std::byte> bytes, TimePoint now);
  /// Next bytes to write, empty if there are none. Valid until the next call to this object.
  [[nodiscard]] std::span<const std::byte> drain();
  /// Whether nothing is left to read or write, so that the connection is to be closed.
  [[nodiscard]] bool is_finished() const noexcept;
  /// Whether the peer broke the protocol, so that the connection ends with a GOAWAY that says so.
  [[nodiscard]] bool has_peer_failed() const noexcept { return has_peer_failed_; }

  /// How large the windows of streams may be from now on (StreamWindows).
  void set_pressure(Pressure pressure);

  /// Which head, or trailers, of the peer has begun and is not whole, counting from 0 for its
  /// preface; nothing if none is.
  [[nodiscard]] std::optional<std::uint64_t> open_field_block() const noexcept {
    return heads_.open_block();
  }
  /// Ends the connection of a peer that is beyond `limit`, by GOAWAY with ENHANCE_YOUR_CALM;
  /// `is_finished` holds once that has been drained. What the peer sends from now on is ignored.
  void give_up(telemetry::Limit limit);

  /// Server: sends a reply's head. `head` must live until its `on_sent`, or `on_stream_closed`;
  /// with `end` it is all, else the body is pulled.
  void submit_reply(StreamId id, const ReplyHead& head, bool end);
  /// Server: copies `head`. The `on_sent` of several come in their order, before that of the reply.
  void submit_informational(StreamId id, const ReplyHead& head);
  /// Client: opens a stream. `head` must live until `on_stream_closed`, or until the stream is
  /// reset.
  [[nodiscard]] StreamId submit_request(const RequestHead& head, bool end, StreamEvents& stream);
  /// Client: whether `submit_request` asks for the tunnel that `head` names, by an extended
  /// CONNECT: the peer has to allow it, and the request to be one that could be that. Otherwise it
  /// is sent as if it named none. Source: RFC 8441 section 4.
  [[nodiscard]] bool asks_for_tunnel(const RequestHead& head) const noexcept;
  [[nodiscard]] bool peer_takes_tunnels() const noexcept;

  /// Server: the connection was an HTTP/1.1 one, whose request is stream 1. `settings` is the
  /// payload of the client's. Before the first `feed`. False if the settings are not valid.
  [[nodiscard]] bool take_over(std::string_view settings, bool to_head, StreamEvents& stream);

  /// What the fields take (`size_of`) of which there are copies here: informational heads and
  /// trailers that `drain` has not given out yet, those of streams that have ended since included.
  [[nodiscard]] std::size_t n_copied_bytes() const noexcept { return n_copied_bytes_; }

  /// The stream has more to pull.
  void resume(StreamId id);
  /// Whether the peer's windows let a byte of the stream's body go out.
  [[nodiscard]] bool has_window(StreamId id) const noexcept;
  /// Returns `n_bytes` of the stream's window to the peer, and makes it larger if that is due.
  void consume(StreamId id, std::size_t n_bytes);
  /// Ends a stream with RST_STREAM; its `on_stream_closed` follows from `drain`.
  void reset(StreamId id, Reset how);

  /// Announces the end: GOAWAY with the highest stream id, so that requests under way are still
  /// taken, and a PING; at its `on_ping_ack` a round trip has passed and `finish` may follow.
  /// Source: RFC 9113 section 6.8.
  void announce_shutdown();
  /// GOAWAY with the last stream id that was taken: open streams end, no new one begins. Streams
  /// that come before it is on its way are refused: it tells the peer that they were not processed.
  void finish();

  /// Client: how many streams the peer allows at once.
  [[nodiscard]] std::uint32_t peer_max_streams() const noexcept;
  /// Client: whether stream ids are left; a connection that has used up its 2^30 must be replaced
  /// (RFC 9113, 5.1.1).
  [[nodiscard]] bool has_stream_ids() const noexcept;

 private:
  struct Deleter {
    void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
  };
  struct Callbacks;  // C entry points; all noexcept, since no exception may cross nghttp2

  void submit_settings(Role role, const SessionLimits& limits);
  /// Whether a frame of the peer is to be read. If not, the connection ends for it.
  [[nodiscard]] bool may_come(const nghttp2_frame_hd& frame);
  void on_refused();
  void on_goaway_sent(const nghttp2_goaway& goaway);
  void end(std::uint32_t h2_error_code);
  /// Puts `fields` behind what is in `scratch_`. `flags` are nghttp2's: whether it may refer to the
  /// text or must copy it.
  void add_fields(const HeaderList& fields, std::uint8_t flags);
  /// The frame leaves nghttp2's queue.
  void forget_copies(const nghttp2_headers& frame) noexcept;

  /// Whose block of fields is being read: asked once for each block, not for each field. Null if
  /// nobody hears of it.
  struct Reading {
    StreamId id = 0;
    StreamEvents* events = nullptr;
  };

  SessionEvents& events_;
  Reading reading_;
  Role role_;
  Conduct conduct_;
  FrameHeads heads_;
  StreamWindows windows_;
  std::size_t max_outbound_frames_;  ///< SessionLimits'
  std::unique_ptr<nghttp2_session, Deleter> session_;
  TimePoint now_{};  ///< of the last `feed`
  bool has_peer_failed_ = false;
  bool is_finishing_ = false;
  std::size_t n_copied_bytes_ = 0;
  bool has_ended_ = false;           ///< of our own accord: the peer is read no more
  std::vector<nghttp2_nv> scratch_;  ///< the field list of the frame being submitted
};

[[nodiscard]] std::uint32_t h2_code_of(Reset how) noexcept;
[[nodiscard]] Reset reset_of(std::uint32_t h2_error_code) noexcept;

}  // namespace router::h2
