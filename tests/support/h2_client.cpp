// SPDX-License-Identifier: Apache-2.0
#include "tests/support/h2_client.hpp"

#include <algorithm>
#include <array>
#include <poll.h>

namespace test {
namespace {
// Above what any peer takes: how it refuses is for a test to see.
constexpr std::size_t kHeaderBlockBytes = 1 << 20;
}  // namespace

struct H2Client::Callbacks {
  static H2Client& self(void* user) { return *static_cast<H2Client*>(user); }

  static Stream* find_stream(void* user, StreamId id) {
    const auto found = self(user).streams_.find(id);
    return found == self(user).streams_.end() ? nullptr : found->second.get();
  }

  static int on_header(nghttp2_session* /*session*/,
                       const nghttp2_frame* frame,
                       const std::uint8_t* name,
                       std::size_t name_size,
                       const std::uint8_t* value,
                       std::size_t value_size,
                       std::uint8_t /*flags*/,
                       void* user) {
    if (Stream* stream = find_stream(user, frame->hd.stream_id)) {
      stream->head.push_back({std::string(reinterpret_cast<const char*>(name), name_size),
                              std::string(reinterpret_cast<const char*>(value), value_size)});
    }
    return 0;
  }

  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    H2Client& client = self(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      client.go_away_ = frame->goaway.last_stream_id;
      ++client.n_go_aways_;
    } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
      ++client.n_ping_acks_;
    }
    Stream* stream = find_stream(user, frame->hd.stream_id);
    if (stream == nullptr) {
      return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
      client.on_head_complete(*stream);
    }
    const bool carries_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      stream->reply.ended = true;
    }
    return 0;
  }

  static int on_data(nghttp2_session* session,
                     std::uint8_t /*flags*/,
                     StreamId id,
                     const std::uint8_t* data,
                     std::size_t size,
                     void* user) {
    nghttp2_session_consume_connection(session, size);
    if (Stream* stream = find_stream(user, id)) {
      append_recorded(stream->reply.body, {reinterpret_cast<const char*>(data), size});
      stream->reply.body_bytes += size;
      stream->unread_bytes += size;
      if (stream->reads) {
        nghttp2_session_consume_stream(session, id, std::exchange(stream->unread_bytes, 0));
      }
    }
    return 0;
  }

  static int on_close(nghttp2_session* /*session*/, StreamId id, std::uint32_t code, void* user) {
    if (Stream* stream = find_stream(user, id)) {
      stream->closed = true;
      if (code != NGHTTP2_NO_ERROR || !stream->reply.ended) {
        stream->reply.reset_code = code;
      }
    }
    return 0;
  }
};

H2Client::H2Client(std::uint16_t port) : H2Client{port, Options{}} {}

H2Client::H2Client(std::uint16_t port, const Options& options)
    : socket_{connect_to_loopback(port, options.from)} {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_send_header_block_length(option, kHeaderBlockBytes);
  nghttp2_session* session = nullptr;
  const int made = nghttp2_session_client_new2(&session, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  require_ok(made, "client session");
  session_.reset(session);
  configure(options);
}

H2Client::~H2Client() = default;

void H2Client::configure(const Options& options) {
  std::vector<nghttp2_settings_entry> settings{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window_bytes},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  if (options.header_table_bytes) {
    settings.push_back({NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, *options.header_table_bytes});
  }
  require_ok(
      nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()),
      "settings");
  require_ok(nghttp2_session_set_local_window_size(
                 session_.get(),
                 NGHTTP2_FLAG_NONE,
                 0,
                 static_cast<std::int32_t>(options.connection_window_bytes)),
             "connection window");
  write();
}

Reply H2Client::get(const std::string& authority, const std::string& path, const Headers& extra) {
  return wait(open_get(authority, path, extra));
}

Reply H2Client::post(const std::string& authority,
                     const std::string& path,
                     std::string_view body,
                     const Headers& extra) {
  const StreamId id = open_post(authority, path, extra);
  send(id, body);
  end(id);
  return wait(id);
}

Reply H2Client::grpc(const std::string& authority,
                     const std::string& path,
                     std::string_view payload,
                     const Headers& extra) {
  const StreamId id = open_grpc(authority, path, extra);
  send(id, grpc_frame(payload));
  end(id);
  return wait(id);
}

StreamId H2Client::open(const Headers& headers, bool end_stream) {
  auto opened = std::make_unique<Stream>();
  const auto nv = to_nv(headers);
  const nghttp2_data_provider body = provider_of(opened->out);
  const StreamId id = nghttp2_submit_request(
      session_.get(), nullptr, nv.data(), nv.size(), end_stream ? nullptr : &body, nullptr);
  require_ok(id, "request");
  streams_.emplace(id, std::move(opened));
  write();
  return id;
}

StreamId H2Client::open_get(const std::string& authority,
                            const std::string& path,
                            const Headers& extra) {
  return open(request_headers("GET", authority, path, extra), true);
}

StreamId H2Client::open_post(const std::string& authority,
                             const std::string& path,
                             const Headers& extra) {
  return open(request_headers("POST", authority, path, extra), false);
}

StreamId H2Client::open_grpc(const std::string& authority,
                             const std::string& path,
                             const Headers& extra) {
  Headers headers{{"content-type", "application/grpc"}, {"te", "trailers"}};
  headers.insert(headers.end(), extra.begin(), extra.end());
  return open_post(authority, path, headers);
}

void H2Client::send(StreamId id, std::string_view bytes) {
  stream(id).out.append(bytes);
  wake(session_.get(), id, stream(id).out);
  write();
}

void H2Client::send_filler(StreamId id, std::uint64_t n_bytes) {
  stream(id).out.filler_bytes += n_bytes;
  wake(session_.get(), id, stream(id).out);
  write();
}

void H2Client::end(StreamId id, const Headers& trailers) {
  stream(id).out.ended = true;
  stream(id).out.trailers = trailers;
  wake(session_.get(), id, stream(id).out);
  write();
}

void H2Client::reset(StreamId id, std::uint32_t code) {
  require_ok(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code), "reset");
  write();
}

Reply H2Client::wait(StreamId id) {
  const Stream& waited = stream(id);
  pump_until("the end of stream " + std::to_string(id),
             [&] { return waited.closed || waited.reply.ended; });
  return waited.reply;
}

Reply H2Client::wait_head(StreamId id) {
  const Stream& waited = stream(id);
  pump_until("the head of stream " + std::to_string(id),
             [&] { return waited.closed || waited.reply.status != 0; });
  return waited.reply;
}

Reply H2Client::wait_body(StreamId id, std::uint64_t n_bytes) {
  const Stream& waited = stream(id);
  pump_until("body bytes of stream " + std::to_string(id),
             [&] { return waited.closed || waited.reply.body_bytes >= n_bytes; });
  if (waited.reply.body_bytes < n_bytes) {
    throw Failure{"stream ended after " + std::to_string(waited.reply.body_bytes) + " bytes"};
  }
  return waited.reply;
}

const Reply& H2Client::peek(StreamId id) const {
  return streams_.at(id)->reply;
}

std::uint64_t H2Client::sent_bytes(StreamId id) const {
  return streams_.at(id)->out.sent_bytes;
}

void H2Client::set_reading(StreamId id, bool reads) {
  Stream& changed = stream(id);
  changed.reads = reads;
  if (reads) {
    nghttp2_session_consume_stream(session_.get(), id, std::exchange(changed.unread_bytes, 0));
    write();
  }
}

Milliseconds H2Client::ping() {
  const TimePoint began_at = SteadyClock::now();
  const int acks_before = n_ping_acks_;
  require_ok(nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr), "ping");
  pump_until("the ACK of PING", [&] { return n_ping_acks_ > acks_before; });
  return std::chrono::duration_cast<Milliseconds>(SteadyClock::now() - began_at);
}

void H2Client::set_stream_window(std::uint32_t bytes) {
  const std::array settings{nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, bytes}};
  require_ok(
      nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()),
      "settings");
  write();
}

void H2Client::send_go_away() {
  require_ok(
      nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0),
      "goaway");
  write();
}

StreamId H2Client::wait_go_away() {
  pump_until("GOAWAY", [&] { return go_away_.has_value() || is_closed_; });
  if (!go_away_) {
    throw Failure{"the connection was closed without GOAWAY"};
  }
  return *go_away_;
}

void H2Client::wait_closed() {
  pump_until("the end of the connection", [&] { return is_closed_; });
}

void H2Client::pump_until(const std::string& what,
                          const std::function<bool()>& holds,
                          Milliseconds patience) {
  const Deadline deadline{what, patience};
  while (!holds()) {
    if (deadline.has_passed()) {
      deadline.fail();
    }
    if (is_closed_) {
      throw Failure{"the connection ended while waiting for " + what};
    }
    step(deadline.remaining_ms());
  }
}

void H2Client::pump_for(Milliseconds duration) {
  const TimePoint until = SteadyClock::now() + duration;
  for (TimePoint now = SteadyClock::now(); now < until && !is_closed_; now = SteadyClock::now()) {
    step(static_cast<int>(std::chrono::ceil<Milliseconds>(until - now).count()));
  }
}

std::uint32_t H2Client::peer_max_streams() const {
  return nghttp2_session_get_remote_settings(session_.get(),
                                             NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void H2Client::forget(StreamId id) {
  if (stream(id).closed) {
    streams_.erase(id);
  }
}

void H2Client::write() {
  if (!is_closed_ && !socket_.write_from(session_.get())) {
    connection_lost();
  }
}

void H2Client::step(int wait_ms) {
  write();
  if (is_closed_) {
    return;
  }
  const auto events = static_cast<short>(POLLIN | (socket_.has_unwritten() ? POLLOUT : 0));
  pollfd wanted{.fd = socket_.fd().get(), .events = events, .revents = 0};
  if (poll(&wanted, 1, wait_ms) <= 0) {
    return;
  }
  const bool readable = (wanted.revents & (POLLIN | POLLHUP | POLLERR)) != 0;
  const bool alive = !readable || socket_.read_into(session_.get());
  // Written also after the end of reading: GOAWAY of a protocol error tells the peer why.
  if (!socket_.write_from(session_.get()) || !alive) {
    connection_lost();
  }
}

void H2Client::connection_lost() {
  is_closed_ = true;
  socket_.close();
  for (auto& [id, lost] : streams_) {
    if (!lost->closed) {
      lost->closed = true;
      if (!lost->reply.ended) {
        lost->reply.reset_code = NGHTTP2_INTERNAL_ERROR;
      }
    }
  }
}

H2Client::Stream& H2Client::stream(StreamId id) {
  return *streams_.at(id);
}

void H2Client::on_head_complete(Stream& stream) {
  Headers head = std::exchange(stream.head, {});
  Reply& reply = stream.reply;
  if (reply.status != 0) {
    reply.trailers = std::move(head);
    return;
  }
  const int status = std::stoi(find(head, ":status").value_or("0"));
  if (status < 200) {
    reply.informational.push_back(std::move(head));
    return;
  }
  reply.status = status;
  std::erase_if(head, [](const Header& header) { return header.name == ":status"; });
  reply.headers = std::move(head);
}

Headers request_headers(const std::string& method,
                        const std::string& authority,
                        const std::string& path,
                        const Headers& extra) {
  Headers headers{
      {":method", method}, {":scheme", "http"}, {":authority", authority}, {":path", path}};
  headers.insert(headers.end(), extra.begin(), extra.end());
  return headers;
}

}  // namespace test
