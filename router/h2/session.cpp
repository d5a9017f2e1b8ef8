// SPDX-License-Identifier: Apache-2.0
#include "router/h2/session.hpp"

#include "router/h2/require.hpp"

#include <array>
#include <new>

#include <fmt/format.h>

namespace router::h2 {
namespace {

/// nghttp2 refers to the text, which its owner keeps until the frame is out.
constexpr std::uint8_t kRefer = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;

/// Of the fields in a frame that nghttp2 has copied, as `size_of` counts them.
std::size_t copied_bytes(const nghttp2_headers& frame) noexcept {
  std::size_t n_bytes = 0;
  for (const nghttp2_nv& each : std::span{frame.nva, frame.nvlen}) {
    if ((each.flags & NGHTTP2_NV_FLAG_NO_COPY_VALUE) == 0) {
      n_bytes += field_size(each.namelen, each.valuelen);
    }
  }
  return n_bytes;
}

nghttp2_nv field(std::string_view name,
                 std::string_view value,
                 std::uint8_t flags = kRefer) noexcept {
  // nghttp2 reads through these pointers only; its C interface lacks the const.
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

}  // namespace

struct Session::Callbacks {
  static StreamEvents* stream(nghttp2_session* session, StreamId id) noexcept {
    return static_cast<StreamEvents*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_headers(nghttp2_session* session,
                              const nghttp2_frame* frame,
                              void* self) noexcept {
    auto& owner = *static_cast<Session*>(self);
    const bool is_request =
        frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (!is_request) {
      owner.reading_ = {frame->hd.stream_id, stream(session, frame->hd.stream_id)};
      return 0;
    }
    StreamEvents* const events = owner.is_finishing_ || owner.has_ended_
                                     ? nullptr
                                     : owner.events_.on_new_stream(frame->hd.stream_id);
    if (events == nullptr) {
      nghttp2_submit_rst_stream(
          session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
      owner.on_refused();
    } else {
      nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, events);
    }
    owner.reading_ = {frame->hd.stream_id, events};
    return 0;
  }

  static int on_header(nghttp2_session* /*session*/,
                       const nghttp2_frame* /*frame*/,
                       nghttp2_rcbuf* name,
                       nghttp2_rcbuf* value,
                       std::uint8_t /*flags*/,
                       void* self) noexcept {
    const auto& owner = *static_cast<Session*>(self);
    if (owner.reading_.events != nullptr) {
      owner.reading_.events->on_field(HeaderField{name, value});
    }
    // So that nghttp2 does not look at each further field of a block that unpacks to megabytes.
    return owner.has_ended_ ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
  }

  /// A field with characters that none may have makes its message malformed (RFC 9113 section
  /// 8.2.1); nghttp2 would leave it out, and pass the rest.
  static int on_invalid_field(nghttp2_session* /*session*/,
                              const nghttp2_frame* /*frame*/,
                              nghttp2_rcbuf* /*name*/,
                              nghttp2_rcbuf* /*value*/,
                              std::uint8_t /*flags*/,
                              void* /*self*/) noexcept {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* self) noexcept {
    auto& owner = *static_cast<Session*>(self);
    const bool is_ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    if (frame->hd.type == NGHTTP2_SETTINGS && !is_ack) {
      owner.events_.on_settings();
    } else if (frame->hd.type == NGHTTP2_SETTINGS) {
      owner.windows_.on_settings_acked();  // nghttp2 has checked that one was due
    } else if (frame->hd.type == NGHTTP2_PING && is_ack) {
      if (!owner.windows_.on_ping_ack(frame->ping, owner.now_)) {
        owner.events_.on_ping_ack();
      }
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
      owner.events_.on_goaway();
    } else {
      on_stream_frame(session, frame);
    }
    return 0;
  }

  static void on_stream_frame(nghttp2_session* session, const nghttp2_frame* frame) noexcept {
    StreamEvents* const events = stream(session, frame->hd.stream_id);
    const bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (events == nullptr) {
      return;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
      events->on_fields_end(end_stream);
    } else if (frame->hd.type == NGHTTP2_DATA && end_stream) {
      events->on_end_stream();
    }
  }

  static int on_data(nghttp2_session* session,
                     std::uint8_t /*flags*/,
                     std::int32_t id,
                     const std::uint8_t* data,
                     std::size_t size,
                     void* self) noexcept {
    nghttp2_session_consume_connection(session, size);
    auto& owner = *static_cast<Session*>(self);
    owner.windows_.on_data(*session, size, owner.now_);
    if (StreamEvents* const events = stream(session, id); events != nullptr) {
      events->on_data(std::as_bytes(std::span{data, size}));
    } else {
      nghttp2_session_consume_stream(session, id, size);
    }
    return 0;
  }

  static int on_frame_sent(nghttp2_session* session,
                           const nghttp2_frame* frame,
                           void* self) noexcept {
    auto& owner = *static_cast<Session*>(self);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      owner.on_goaway_sent(frame->goaway);
      return 0;
    }
    const bool is_reset = frame->hd.type == NGHTTP2_RST_STREAM;
    if (const auto limit = owner.conduct_.on_sent(
            frame->hd, is_reset ? frame->rst_stream.error_code : 0, owner.now_)) {
      owner.give_up(*limit);
    }
    const bool is_fields = frame->hd.type == NGHTTP2_HEADERS;
    if (!is_fields && frame->hd.type != NGHTTP2_DATA) {
      return 0;
    }
    if (is_fields) {
      owner.forget_copies(frame->headers);
    }
    const bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    StreamEvents* const events = stream(session, frame->hd.stream_id);
    if (events != nullptr && (is_fields || end_stream)) {
      events->on_sent(end_stream);
    }
    return 0;
  }

  /// Its stream has ended meanwhile.
  static int on_frame_dropped(nghttp2_session* /*session*/,
                              const nghttp2_frame* frame,
                              int /*why*/,
                              void* self) noexcept {
    if (frame->hd.type == NGHTTP2_HEADERS) {
      static_cast<Session*>(self)->forget_copies(frame->headers);
    }
    return 0;
  }

  static int on_invalid_frame(nghttp2_session* /*session*/,
                              const nghttp2_frame* /*frame*/,
                              int why,
                              void* self) noexcept {
    auto& owner = *static_cast<Session*>(self);
    owner.events_.on_invalid_frame();
    if (why == NGHTTP2_ERR_REFUSED_STREAM) {
      owner.on_refused();
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session* session,
                             std::int32_t id,
                             std::uint32_t code,
                             void* self) noexcept {
    auto& owner = *static_cast<Session*>(self);
    // A block may stop half way, and go on when its stream has gone.
    if (owner.reading_.id == id) {
      owner.reading_.events = nullptr;
    }
    owner.windows_.give_back(id);
    if (StreamEvents* const events = stream(session, id); events != nullptr) {
      events->on_stream_closed(code);
    }
    return 0;
  }

  static ssize_t pull(nghttp2_session* session,
                      std::int32_t id,
                      std::uint8_t* into,
                      std::size_t size,
                      std::uint32_t* flags,
                      nghttp2_data_source* source,
                      void* self) noexcept {
    auto& events = *static_cast<StreamEvents*>(source->ptr);
    const Pulled pulled = events.pull(std::as_writable_bytes(std::span{into, size}));
    if (pulled.state == BodyState::open) {
      return pulled.n_bytes == 0 ? ssize_t{NGHTTP2_ERR_DEFERRED}
                                 : static_cast<ssize_t>(pulled.n_bytes);
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (pulled.state == BodyState::trailers) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      auto& owner = *static_cast<Session*>(self);
      const HeaderList& trailers = events.outgoing_trailers();
      owner.scratch_.clear();
      // Copied: a reset may end the exchange while the frame still waits in nghttp2's queue.
      owner.add_fields(trailers, NGHTTP2_NV_FLAG_NONE);
      if (nghttp2_submit_trailer(session, id, owner.scratch_.data(), owner.scratch_.size()) == 0) {
        owner.n_copied_bytes_ += size_of(trailers);
      }
    }
    return static_cast<ssize_t>(pulled.n_bytes);
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    require(nghttp2_session_callbacks_new(&callbacks));
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, &on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, &on_invalid_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, &on_frame_dropped);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, &on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &on_stream_close);
    return callbacks;
  }

  /// One table for all sessions of the process, made at the first and never freed.
  static const nghttp2_session_callbacks* table() {
    static const nghttp2_session_callbacks* const callbacks = make();
    return callbacks;
  }
};

Session::Session(Role role,
                 const SessionLimits& limits,
                 SessionEvents& events,
                 BufferShare& buffers)
    : events_{events},
      role_{role},
      conduct_{limits.conduct},
      heads_{role == Role::server ? std::size_t{NGHTTP2_CLIENT_MAGIC_LEN} : 0},
      windows_{limits.stream_window_bytes, limits.max_stream_window_bytes, buffers},
      max_outbound_frames_{limits.max_outbound_frames} {
  nghttp2_option* option = nullptr;
  require(nghttp2_option_new(&option));
  nghttp2_option_set_no_auto_window_update(option, 1);
  // Closed streams are kept for RFC 7540's priorities only, which nobody uses any more: without
  // them a connection needs half the memory, and a request some microseconds less.
  nghttp2_option_set_no_closed_streams(option, 1);
  // A `grpc-message` may end with a space, which its text does not escape. RFC 9113 section 8.2.1
  // forbids that of any field; as most, we pass it on.
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, limits.reset_burst, limits.resets_per_second);
  nghttp2_option_set_max_continuations(option, limits.max_continuations);
  // Answers to PING and SETTINGS that wait to be written: `Conduct` is to find a flood of them
  // first, and says GOAWAY.
  nghttp2_option_set_max_outbound_ack(option, 2 * std::size_t{limits.conduct.control_frames.burst});
  // What we send has passed our own limit on what we take; the head may have grown by what the
  // exchange adds.
  nghttp2_option_set_max_send_header_block_length(option,
                                                  2 * std::size_t{limits.header_list_bytes});
  nghttp2_session* session = nullptr;
  const int made = role == Role::server
                       ? nghttp2_session_server_new2(&session, Callbacks::table(), this, option)
                       : nghttp2_session_client_new2(&session, Callbacks::table(), this, option);
  nghttp2_option_del(option);
  require(made);
  session_.reset(session);
  submit_settings(role, limits);
}

void Session::submit_settings(Role role, const SessionLimits& limits) {
  std::vector<nghttp2_settings_entry> settings{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.header_list_bytes}};
  if (role == Role::server) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams});
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  require(
      nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  require(nghttp2_session_set_local_window_size(
      session_.get(), NGHTTP2_FLAG_NONE, 0, limits.connection_window_bytes));
  windows_.on_settings_submitted();
}

Result<void> Session::feed(std::span<const std::byte> bytes, TimePoint now) {
  if (has_ended_) {
    return boost::system::in_place_value;
  }
  now_ = now;
  if (!heads_.feed(bytes, [this](const nghttp2_frame_hd& frame) { return may_come(frame); })) {
    // Nor is what came before it in the same bytes: GOAWAY tells that it was not processed.
    return boost::system::in_place_value;
  }
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), data, bytes.size());
  if (taken == NGHTTP2_ERR_NOMEM) {
    throw std::bad_alloc{};
  }
  if (taken == NGHTTP2_ERR_FLOODED) {
    events_.on_limit_hit(telemetry::Limit::control_frames);
  } else if (taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
    events_.on_limit_hit(telemetry::Limit::continuations);
  }
  if (taken < 0) {
    return Errc::bad_request;
  }
  if (!has_ended_ &&
      nghttp2_session_get_outbound_queue_size(session_.get()) > max_outbound_frames_) {
    events_.on_limit_hit(telemetry::Limit::outbound_frames);
    return Errc::bad_request;  // a GOAWAY would only wait behind them
  }
  return boost::system::in_place_value;
}

bool Session::may_come(const nghttp2_frame_hd& frame) {
  if (const auto limit = conduct_.on_received(frame, now_)) {
    give_up(*limit);
    return false;
  }
  if (role_ == Role::client) {
    return true;
  }
  const std::uint32_t fault = conduct_.fault_of(frame);
  if (fault != NGHTTP2_NO_ERROR) {
    end(fault);
  }
  return fault == NGHTTP2_NO_ERROR;
}

std::span<const std::byte> Session::drain() {
  const std::uint8_t* data = nullptr;
  const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
  if (size < 0) {
    throw std::bad_alloc{};  // its only failure; not survivable, see docs/errors.md
  }
  return std::as_bytes(std::span{data, static_cast<std::size_t>(size)});
}

bool Session::is_finished() const noexcept {
  return nghttp2_session_want_read(session_.get()) == 0 &&
         nghttp2_session_want_write(session_.get()) == 0;
}

void Session::add_fields(const HeaderList& fields, std::uint8_t flags) {
  for (const HeaderField& each : fields) {
    scratch_.push_back(field(each.name(), each.value(), flags));
  }
}

namespace {

/// A status as text that lives for ever, so that nghttp2 may refer to it.
std::string_view status_text(std::uint16_t status) {
  static const auto texts = [] {
    std::array<std::array<char, 3>, 1000> all{};
    for (std::size_t i = 100; i < all.size(); ++i) {
      fmt::format_to(all[i].data(), "{}", i);
    }
    return all;
  }();
  const auto& text = texts[status < texts.size() ? status : 500];
  return {text.data(), text.size()};
}

nghttp2_data_provider body_of(StreamEvents* stream,
                              nghttp2_data_source_read_callback pull) noexcept {
  nghttp2_data_provider provider{};
  provider.source.ptr = stream;
  provider.read_callback = pull;
  return provider;
}

}  // namespace

void Session::submit_reply(StreamId id, const ReplyHead& head, bool end) {
  scratch_.assign(1, field(":status", status_text(head.status)));
  add_fields(head.fields, kRefer);
  StreamEvents* const stream = Callbacks::stream(session_.get(), id);
  const nghttp2_data_provider body = body_of(stream, &Callbacks::pull);
  nghttp2_submit_response(
      session_.get(), id, scratch_.data(), scratch_.size(), end ? nullptr : &body);
}

void Session::submit_informational(StreamId id, const ReplyHead& head) {
  scratch_.assign(1, field(":status", status_text(head.status)));
  add_fields(head.fields,
             NGHTTP2_NV_FLAG_NONE);  // copied: the head is gone when the frame is drained
  const int queued = nghttp2_submit_headers(
      session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, scratch_.data(), scratch_.size(), nullptr);
  if (queued == 0) {
    n_copied_bytes_ += size_of(head.fields);
  }
}

void Session::forget_copies(const nghttp2_headers& frame) noexcept {
  if (n_copied_bytes_ > 0) {  // else it is a head, whose text is its owner's
    n_copied_bytes_ -= copied_bytes(frame);
  }
}

StreamId Session::submit_request(const RequestHead& head, bool end, StreamEvents& stream) {
  scratch_.clear();
  if (asks_for_tunnel(head)) {
    scratch_.push_back(field(":method", "CONNECT"));
    scratch_.push_back(field(":protocol", head.protocol));
  } else {
    scratch_.push_back(field(":method", head.method));
  }
  scratch_.push_back(field(":scheme", head.scheme));
  scratch_.push_back(field(":authority", head.authority));
  scratch_.push_back(field(":path", head.path));
  add_fields(head.fields, kRefer);
  const nghttp2_data_provider body = body_of(&stream, &Callbacks::pull);
  const StreamId id = nghttp2_submit_request(
      session_.get(), nullptr, scratch_.data(), scratch_.size(), end ? nullptr : &body, &stream);
  if (id < 0 && id != NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE) {
    throw std::bad_alloc{};
  }
  return id;
}

bool Session::take_over(std::string_view settings, bool to_head, StreamEvents& stream) {
  nghttp2_frame_hd request{};
  request.stream_id = 1;
  request.type = NGHTTP2_HEADERS;
  request.flags = NGHTTP2_FLAG_END_STREAM;
  [[maybe_unused]] const std::uint32_t none = conduct_.fault_of(request);
  const auto* payload = reinterpret_cast<const std::uint8_t*>(settings.data());
  const int taken =
      nghttp2_session_upgrade2(session_.get(), payload, settings.size(), to_head ? 1 : 0, nullptr);
  nghttp2_session_set_stream_user_data(session_.get(), request.stream_id, &stream);
  return taken == 0;
}

void Session::resume(StreamId id) {
  nghttp2_session_resume_data(session_.get(), id);  // fails harmlessly if nothing was deferred
}

bool Session::has_window(StreamId id) const noexcept {
  return nghttp2_session_get_remote_window_size(session_.get()) > 0 &&
         nghttp2_session_get_stream_remote_window_size(session_.get(), id) > 0;
}

void Session::on_refused() {
  if (const auto limit = conduct_.on_refused(now_)) {
    give_up(*limit);
  }
}

void Session::set_pressure(Pressure pressure) {
  windows_.set_pressure(*session_, pressure);
}

void Session::consume(StreamId id, std::size_t n_bytes) {
  if (const auto limit = windows_.consume(*session_, id, n_bytes)) {
    events_.on_limit_hit(*limit);
  }
}

void Session::reset(StreamId id, Reset how) {
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, h2_code_of(how));
}

void Session::announce_shutdown() {
  nghttp2_submit_shutdown_notice(session_.get());
}

void Session::on_goaway_sent(const nghttp2_goaway& goaway) {
  constexpr StreamId kNotice = (1U << 31U) - 1;
  if (goaway.error_code != NGHTTP2_NO_ERROR) {
    has_peer_failed_ = true;
    if (goaway.error_code == NGHTTP2_INTERNAL_ERROR) {
      // nghttp2's only one: SessionLimits::reset_burst.
      events_.on_limit_hit(telemetry::Limit::stream_resets);
    }
  } else if (goaway.last_stream_id == kNotice) {
    // Not before: nghttp2 sends PINGs first, and the answer would say nothing of the notice.
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  }
}

void Session::give_up(telemetry::Limit limit) {
  if (!has_ended_) {
    events_.on_limit_hit(limit);
    end(NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

void Session::end(std::uint32_t h2_error_code) {
  has_ended_ = true;
  nghttp2_session_terminate_session(session_.get(), h2_error_code);
}

void Session::finish() {
  is_finishing_ = true;
  const StreamId last = nghttp2_session_get_last_proc_stream_id(session_.get());
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
}

std::uint32_t Session::peer_max_streams() const noexcept {
  return nghttp2_session_get_remote_settings(session_.get(),
                                             NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Session::asks_for_tunnel(const RequestHead& head) const noexcept {
  return !head.protocol.empty() && (head.method == "CONNECT" || head.method == "GET") &&
         peer_takes_tunnels();
}

bool Session::peer_takes_tunnels() const noexcept {
  return nghttp2_session_get_remote_settings(session_.get(),
                                             NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

bool Session::has_stream_ids() const noexcept {
  constexpr std::uint32_t kLastUsable = (1U << 31U) - 1;
  return nghttp2_session_get_next_stream_id(session_.get()) <= kLastUsable;
}

std::uint32_t h2_code_of(Reset how) noexcept {
  switch (how) {
    case Reset::cancel:
      return NGHTTP2_CANCEL;
    case Reset::no_error:
      return NGHTTP2_NO_ERROR;
    case Reset::refused:
      return NGHTTP2_REFUSED_STREAM;
    case Reset::protocol_error:
      return NGHTTP2_PROTOCOL_ERROR;
    case Reset::internal_error:
      break;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

Reset reset_of(std::uint32_t h2_error_code) noexcept {
  switch (h2_error_code) {
    case NGHTTP2_NO_ERROR:
      return Reset::no_error;
    case NGHTTP2_REFUSED_STREAM:
      return Reset::refused;
    case NGHTTP2_PROTOCOL_ERROR:
      return Reset::protocol_error;
    case NGHTTP2_CANCEL:
      return Reset::cancel;
    default:
      return Reset::internal_error;
  }
}

}  // namespace router::h2
