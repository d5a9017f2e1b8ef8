// SPDX-License-Identifier: Apache-2.0
#include "tests/support/h2_parts.hpp"

#include <algorithm>

namespace test {
namespace {

/// Takes up to `size` bytes out of `body`.
std::size_t take(OutBody& body, char* into, std::size_t size) {
  const std::size_t from_queue = std::min(size, body.queued.size() - body.queued_offset);
  std::copy_n(body.queued.data() + body.queued_offset, from_queue, into);
  body.queued_offset += from_queue;
  if (body.queued_offset == body.queued.size()) {
    body.queued.clear();
    body.queued_offset = 0;
  }
  const auto filler =
      static_cast<std::size_t>(std::min<std::uint64_t>(size - from_queue, body.filler_bytes));
  std::fill_n(into + from_queue, filler, 'f');
  body.filler_bytes -= filler;
  return from_queue + filler;
}

ssize_t read_body(nghttp2_session* session,
                  std::int32_t stream,
                  std::uint8_t* buffer,
                  std::size_t length,
                  std::uint32_t* data_flags,
                  nghttp2_data_source* source,
                  void* /*user*/) {
  OutBody& body = *static_cast<OutBody*>(source->ptr);
  const std::size_t taken = take(body, reinterpret_cast<char*>(buffer), length);
  body.sent_bytes += taken;
  if (body.is_empty() && body.ended) {
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!body.trailers.empty()) {
      *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto nv = to_nv(body.trailers);
      nghttp2_submit_trailer(session, stream, nv.data(), nv.size());
    }
  } else if (taken == 0) {
    body.is_waiting = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(taken);
}

/// Frames are written together up to about so many bytes, as servers and clients do.
constexpr std::size_t kTogether = 16 << 10;

}  // namespace

nghttp2_data_provider provider_of(OutBody& body) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &body;
  provider.read_callback = read_body;
  return provider;
}

void wake(nghttp2_session* session, std::int32_t stream, OutBody& body) {
  if (body.is_waiting) {
    body.is_waiting = false;
    nghttp2_session_resume_data(session, stream);
  }
}

std::vector<nghttp2_nv> to_nv(const Headers& headers) {
  std::vector<nghttp2_nv> nv;
  nv.reserve(headers.size());
  for (const Header& header : headers) {
    // nghttp2 takes mutable pointers but only reads.
    auto* name =
        const_cast<char*>(header.name.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    auto* value =
        const_cast<char*>(header.value.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    nv.push_back({reinterpret_cast<std::uint8_t*>(name),
                  reinterpret_cast<std::uint8_t*>(value),
                  header.name.size(),
                  header.value.size(),
                  NGHTTP2_NV_FLAG_NONE});
  }
  return nv;
}

void append_recorded(std::string& recorded, std::string_view bytes) {
  recorded.append(
      bytes.substr(0, kRecordedBodyBytes - std::min(kRecordedBodyBytes, recorded.size())));
}

void require_ok(ssize_t code, const char* what) {
  if (code < 0) {
    throw Failure{std::string{what} + ": " + nghttp2_strerror(static_cast<int>(code))};
  }
}

bool SessionSocket::read_into(nghttp2_session* session) {
  const Received received = receive_some(socket_);
  if (!received.bytes.empty()) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(received.bytes.data());
    if (nghttp2_session_mem_recv(session, data, received.bytes.size()) < 0) {
      return false;
    }
  }
  return !received.closed;
}

bool SessionSocket::write_from(nghttp2_session* session) {
  for (;;) {
    if (!has_unwritten()) {
      unwritten_.clear();
      offset_ = 0;
      while (unwritten_.size() < kTogether) {
        const std::uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session, &data);
        if (size < 0) {
          return false;
        }
        if (size == 0) {
          break;
        }
        unwritten_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
      }
      if (unwritten_.empty()) {
        return true;
      }
    }
    const auto n = send_some(socket_, std::string_view{unwritten_}.substr(offset_));
    if (!n) {
      return false;
    }
    offset_ += *n;
    if (has_unwritten()) {
      return true;  // the socket is full
    }
  }
}

}  // namespace test
