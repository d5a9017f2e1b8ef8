// SPDX-License-Identifier: Apache-2.0
#include "tests/support/upstream_connection.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <utility>

namespace test {
namespace {

// Wide enough that no stream waits for another one's bytes; what is measured are the streams' own
// windows.
constexpr std::int32_t kConnectionWindowBytes = 4 * 1024 * 1024;
// nghttp2 takes many RST_STREAM for an attack. Tests that cancel a lot are none.
constexpr std::uint64_t kResetsAllowed = 1'000'000;

std::string three_digits(int status) {
  const std::string digits = std::to_string(status);
  return digits.size() < 3 ? std::string(3 - digits.size(), '0') + digits : digits;
}

}  // namespace

struct UpstreamConnection::Callbacks {
  static UpstreamConnection& self(void* user) { return *static_cast<UpstreamConnection*>(user); }

  static int on_begin(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self(user).streams_.emplace(frame->hd.stream_id, std::make_unique<Stream>());
    }
    return 0;
  }

  static int on_header(nghttp2_session* /*session*/,
                       const nghttp2_frame* frame,
                       const std::uint8_t* name,
                       std::size_t name_size,
                       const std::uint8_t* value,
                       std::size_t value_size,
                       std::uint8_t /*flags*/,
                       void* user) {
    if (Stream* stream = self(user).find_stream(frame->hd.stream_id)) {
      stream->head.push_back({std::string(reinterpret_cast<const char*>(name), name_size),
                              std::string(reinterpret_cast<const char*>(value), value_size)});
    }
    return 0;
  }

  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    UpstreamConnection& connection = self(user);
    const std::int32_t id = frame->hd.stream_id;
    Stream* stream = connection.find_stream(id);
    if (stream == nullptr) {
      return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      connection.on_request_head(*stream, id);
    } else if (frame->hd.type == NGHTTP2_HEADERS) {
      stream->seen->trailers = std::exchange(stream->head, {});
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
      stream->seen->reset_code = frame->rst_stream.error_code;
      stream->seen->reset_at = SteadyClock::now();
    }
    const bool carries_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      // Looked up afresh: a script that refuses may have ended the stream.
      if (Stream* open = connection.find_stream(id)) {
        connection.on_request_end(*open, id);
      }
    }
    return 0;
  }

  static int on_data(nghttp2_session* session,
                     std::uint8_t /*flags*/,
                     std::int32_t id,
                     const std::uint8_t* data,
                     std::size_t size,
                     void* user) {
    nghttp2_session_consume_connection(session, size);
    if (Stream* stream = self(user).find_stream(id)) {
      self(user).on_data(*stream, id, {reinterpret_cast<const char*>(data), size});
    }
    return 0;
  }

  static int on_close(nghttp2_session* /*session*/,
                      std::int32_t id,
                      std::uint32_t code,
                      void* user) {
    self(user).forget_stream(id, code);
    return 0;
  }

  static int on_sent(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    self(user).on_frame_sent(*frame);
    return 0;
  }

  static int on_invalid(nghttp2_session* /*session*/,
                        const nghttp2_frame* frame,
                        int code,
                        void* user) {
    self(user).upstream_.complaints_.push_back("frame of type " + std::to_string(frame->hd.type) +
                                               ": " + nghttp2_strerror(code));
    return 0;
  }
};

UpstreamConnection::UpstreamConnection(Upstream& upstream, Fd socket, int number)
    : upstream_{upstream},
      socket_{std::move(socket)},
      number_{number},
      go_away_after_{upstream.script_.go_away_after} {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::on_sent);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::on_invalid);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetsAllowed, kResetsAllowed);
  nghttp2_session* session = nullptr;
  const int made = nghttp2_session_server_new2(&session, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  require_ok(made, "server session");
  session_.reset(session);
  const std::array settings{nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                   upstream.script_.max_concurrent_streams},
                            nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                                   upstream.script_.stream_window_bytes},
                            nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL,
                                                   upstream.script_.takes_tunnels ? 1U : 0U}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
}

UpstreamConnection::~UpstreamConnection() {
  while (!streams_.empty()) {
    forget_stream(streams_.begin()->first, NGHTTP2_CONNECT_ERROR);
  }
}

short UpstreamConnection::wanted_events() const {
  return static_cast<short>(POLLIN | (socket_.has_unwritten() ? POLLOUT : 0));
}

void UpstreamConnection::on_ready(short events) {
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !socket_.read_into(session_.get())) {
    is_over_ = true;
  }
}

void UpstreamConnection::flush() {
  if (!is_over_ && !socket_.write_from(session_.get())) {
    is_over_ = true;
  }
  if (nghttp2_session_want_read(session_.get()) == 0 && !socket_.has_unwritten() &&
      nghttp2_session_want_write(session_.get()) == 0) {
    is_over_ = true;
  }
}

void UpstreamConnection::release() {
  for (auto& [id, stream] : streams_) {
    if (std::exchange(stream->is_held, false)) {
      answer_now(*stream, id);
    }
  }
}

void UpstreamConnection::reset_streams(std::uint32_t code) {
  for (const auto& [id, stream] : streams_) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code);
  }
}

void UpstreamConnection::announce_shutdown() {
  nghttp2_submit_shutdown_notice(session_.get());
  is_shutting_down_ = true;
}

void UpstreamConnection::finish_shutdown() {
  if (!is_shutting_down_) {
    return;  // accepted since
  }
  nghttp2_submit_goaway(session_.get(),
                        NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()),
                        NGHTTP2_NO_ERROR,
                        nullptr,
                        0);
}

UpstreamConnection::Stream* UpstreamConnection::find_stream(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void UpstreamConnection::on_request_head(Stream& stream, std::int32_t id) {
  ++n_streams_;
  if (go_away_after_ && n_streams_ > *go_away_after_) {
    if (n_streams_ == *go_away_after_ + 1) {
      nghttp2_submit_goaway(
          session_.get(), NGHTTP2_FLAG_NONE, last_accepted_, NGHTTP2_NO_ERROR, nullptr, 0);
    }
    streams_.erase(id);
    return;
  }
  last_accepted_ = id;
  stream.seen = std::make_shared<SeenRequest>();
  SeenRequest& seen = *stream.seen;
  seen.connection = number_;
  seen.stream = id;
  seen.headers = std::exchange(stream.head, {});
  seen.began_at = SteadyClock::now();
  upstream_.requests_.push_back(stream.seen);
  ++upstream_.n_requests_;
  ++upstream_.n_open_;
  const int open_here = static_cast<int>(streams_.size());
  upstream_.max_streams_open_ = std::max(upstream_.max_streams_open_, open_here);
  stream.answer = upstream_.script_.answer(seen);
  if (stream.answer.at_head || stream.answer.echo) {
    begin_answer(stream, id);
  }
}

void UpstreamConnection::on_request_end(Stream& stream, std::int32_t id) {
  stream.seen->ended = true;
  if (stream.answer.echo) {
    stream.out.ended = true;
    wake(session_.get(), id, stream.out);
  } else if (!stream.answer.at_head) {
    begin_answer(stream, id);
  }
}

void UpstreamConnection::on_data(Stream& stream, std::int32_t id, std::string_view bytes) {
  append_recorded(stream.seen->body, bytes);
  stream.seen->body_bytes += bytes.size();
  if (stream.answer.reads) {
    nghttp2_session_consume_stream(session_.get(), id, bytes.size());
  }
  if (stream.answer.echo) {
    stream.out.append(bytes);
    wake(session_.get(), id, stream.out);
  }
}

void UpstreamConnection::on_frame_sent(const nghttp2_frame& frame) {
  const std::int32_t id = frame.hd.stream_id;
  Stream* stream = find_stream(id);
  if (stream == nullptr || !stream->seen) {
    const bool is_refusal = frame.hd.type == NGHTTP2_RST_STREAM &&
                            frame.rst_stream.error_code == NGHTTP2_REFUSED_STREAM;
    if (is_refusal && !go_away_after_) {
      ++upstream_.streams_over_limit_;  // no script refused it: nghttp2 did, by SETTINGS
    }
    return;
  }
  stream->seen->reply_bytes = stream->out.sent_bytes;
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) {
    return;
  }
  const bool all_sent = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ||
                        (stream->answer.open_end && stream->is_answered && stream->out.is_empty());
  if (all_sent && stream->answer.then_reset) {
    const std::uint32_t code = *std::exchange(stream->answer.then_reset, std::nullopt);
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code);
  }
}

void UpstreamConnection::begin_answer(Stream& stream, std::int32_t id) {
  if (stream.answer.held) {
    stream.is_held = true;
    return;
  }
  if (stream.answer.delay.count() == 0) {
    answer_now(stream, id);
    return;
  }
  upstream_.timers_.emplace(SteadyClock::now() + stream.answer.delay,
                            [&upstream = upstream_, id, number = number_] {
                              for (const auto& connection : upstream.connections_) {
                                if (connection->number_ == number) {
                                  if (Stream* due = connection->find_stream(id)) {
                                    connection->answer_now(*due, id);
                                  }
                                }
                              }
                            });
}

void UpstreamConnection::answer_now(Stream& stream, std::int32_t id) {
  const Answer& answer = stream.answer;
  if (answer.close_connection) {
    is_over_ = true;
    return;
  }
  if (answer.reset) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, *answer.reset);
    return;
  }
  for (const Headers& head : answer.informational) {
    const auto nv = to_nv(head);
    nghttp2_submit_headers(
        session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, nv.data(), nv.size(), nullptr);
  }
  Headers head{{":status", three_digits(answer.status)}};
  head.insert(head.end(), answer.headers.begin(), answer.headers.end());
  stream.out.append(answer.body);
  stream.out.filler_bytes = answer.filler_bytes;
  stream.out.trailers = answer.trailers;
  stream.out.ended = answer.echo ? stream.seen->ended : !answer.open_end;
  stream.is_answered = true;
  const bool is_head_only =
      stream.out.ended && stream.out.is_empty() && stream.out.trailers.empty() && !answer.echo;
  const auto nv = to_nv(head);
  const nghttp2_data_provider body = provider_of(stream.out);
  nghttp2_submit_response(session_.get(), id, nv.data(), nv.size(), is_head_only ? nullptr : &body);
}

void UpstreamConnection::forget_stream(std::int32_t id, std::uint32_t code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) {
    return;
  }
  if (const auto& seen = found->second->seen) {
    seen->closed = true;
    if (code != NGHTTP2_NO_ERROR && !seen->reset_code) {
      seen->reset_code = code;
      seen->reset_at = SteadyClock::now();
    }
    --upstream_.n_open_;
  }
  streams_.erase(found);
}

}  // namespace test
