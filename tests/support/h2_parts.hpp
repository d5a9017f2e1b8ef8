// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/message.hpp"
#include "tests/support/socket.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nghttp2/nghttp2.h>

/// What the client and the server of the tests share over nghttp2.
namespace test {

struct SessionDeleter {
  void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
};
using SessionPtr = std::unique_ptr<nghttp2_session, SessionDeleter>;

/// Bodies are recorded up to this size and counted beyond it.
inline constexpr std::size_t kRecordedBodyBytes = 1 << 20;

/// A body on its way out: bytes that were queued, then `filler_bytes` of generated ones.
struct OutBody {
  std::string queued;
  std::size_t queued_offset = 0;
  std::uint64_t filler_bytes = 0;
  bool ended = false;       ///< no more will be queued
  Headers trailers;         ///< follow the end, if there are any
  bool is_waiting = false;  ///< the session was told that there is nothing to send for now
  std::uint64_t sent_bytes = 0;

  void append(std::string_view bytes) { queued.append(bytes); }
  [[nodiscard]] bool is_empty() const {
    return queued_offset == queued.size() && filler_bytes == 0;
  }
};

/// A data provider that reads from `body`, which must outlive the stream.
[[nodiscard]] nghttp2_data_provider provider_of(OutBody& body);
/// Tells the session that there is something new in `body`.
void wake(nghttp2_session* session, std::int32_t stream, OutBody& body);
/// For nghttp2; valid as long as `headers`.
[[nodiscard]] std::vector<nghttp2_nv> to_nv(const Headers& headers);
void append_recorded(std::string& recorded, std::string_view bytes);
/// Makes an error code of nghttp2 a `Failure`.
void require_ok(ssize_t code, const char* what);

/// Joins a session to a socket, without ever waiting.
class SessionSocket {
 public:
  explicit SessionSocket(Fd socket) : socket_{std::move(socket)} {}

  /// Feeds what the peer has sent; false once the connection is over.
  bool read_into(nghttp2_session* session);
  /// Writes what the session has; false once the connection is over.
  bool write_from(nghttp2_session* session);
  [[nodiscard]] bool has_unwritten() const { return offset_ < unwritten_.size(); }
  [[nodiscard]] const Fd& fd() const { return socket_; }
  void close() { socket_.close(); }

 private:
  Fd socket_;
  std::string unwritten_;
  std::size_t offset_ = 0;
};

}  // namespace test
