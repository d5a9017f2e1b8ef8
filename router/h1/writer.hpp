// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"
#include "router/h1/head.hpp"
#include "router/worker/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace router::h1 {

/// What decides how a reply is written, besides its head.
struct ReplyContext {
  bool to_head = false;    ///< the request was HEAD
  bool to_http10 = false;  ///< no chunks, no informational heads
  bool closes = false;     ///< the connection ends with this reply
};

/// How the body behind a head is to be framed: by its content-length if it has a usable one, else
/// in chunks (to HTTP/1.0: by closing). `end` means that there is no body.
[[nodiscard]] Framing request_framing(const RequestHead& head, bool end);
[[nodiscard]] Framing reply_framing(const ReplyHead& head, bool end, const ReplyContext& context);

/// A head as text, with the fields that frame the body as `framing` says. Fields that frame another
/// hop are left out, should there be any left; cookie crumbs are joined (RFC 9113 section 8.2.3).
/// A tunnel is asked for by `upgrade`, also where HTTP/2 asks by CONNECT.
/// `websocket_key` is for such a one that has none; empty: nothing is added.
[[nodiscard]] std::string write_request_head(const RequestHead& head,
                                             const Framing& framing,
                                             std::string_view websocket_key = {});
[[nodiscard]] std::string write_reply_head(const ReplyHead& head,
                                           const Framing& framing,
                                           const ReplyContext& context);
/// An informational head.
[[nodiscard]] std::string write_informational(const ReplyHead& head);
/// The 101 that opens the tunnel for `head.protocol`, whatever status HTTP/2 has for that.
[[nodiscard]] std::string write_switch(const ReplyHead& head);

/// Frames one body on its way out, and holds its sender to the length that was announced.
class BodyWriter {
 public:
  BodyWriter() = default;
  explicit BodyWriter(const Framing& framing) noexcept
      : framing_{framing}, left_bytes_{framing.length_bytes} {}

  /// Appends content. False if it is more than the head announced: the connection must then be
  /// closed.
  [[nodiscard]] bool write(OutputBuffer& out, std::span<const std::byte> content);
  /// Appends what ends the body. `trailers` may be null; they go out only behind chunks. False if
  /// content is missing.
  [[nodiscard]] bool finish(OutputBuffer& out, const HeaderList* trailers);

 private:
  Framing framing_;
  std::uint64_t left_bytes_ = 0;
};

void append_text(OutputBuffer& out, std::string_view text);

}  // namespace router::h1
