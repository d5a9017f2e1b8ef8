// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/exchange/headers.hpp"

#include <string>
#include <string_view>

namespace router {

/// Names the reason of an error that nodeway made; one that comes from an endpoint is stripped.
inline constexpr std::string_view kErrorHeader = "nodeway-error";

/// A reply made here. An empty `body` means that the head is all of it.
struct LocalReply {
  ReplyHead head;
  std::string body;
};

/// What a client is told when the router ends its request with `code`, before the head of a reply
/// has gone out.
///
/// gRPC callers get a trailers-only response (HTTP 200 with `grpc-status` and `grpc-message`),
/// others the HTTP status and one line of text. `detail` says what was looked for and what there
/// is; it may be empty and may hold any bytes. Source: gRPC "PROTOCOL-HTTP2", Responses;
/// docs/errors.md.
[[nodiscard]] LocalReply make_local_reply(Errc code, std::string_view detail, bool is_grpc);

/// Trailers that end a gRPC reply whose head has gone out already.
[[nodiscard]] HeaderList make_error_trailers(Errc code, std::string_view detail);

/// Escapes `text` for `grpc-message`. Source: gRPC "PROTOCOL-HTTP2", Status-Message.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace router
