// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"
#include "router/h1/fields.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace router::h1 {

/// How the end of a body is found.
struct Framing {
  enum class Kind : std::uint8_t {
    none,         ///< there is no body
    length,       ///< after `length_bytes`
    chunked,      ///< after the last chunk; trailers may follow
    until_close,  ///< with the connection: replies only
  };
  Kind kind = Kind::none;
  std::uint64_t length_bytes = 0;  ///< greater than zero if `kind` is `length`

  friend bool operator==(const Framing&, const Framing&) = default;
};

/// A request's head with what HTTP/1.1 itself has to know of it.
struct ParsedRequest {
  RequestHead head;
  Framing framing;
  bool is_http10 = false;
  bool keeps_alive = false;  ///< HTTP/1.1 without `connection: close`; HTTP/1.0 always closes
  bool expects_continue = false;
  bool takes_trailers = false;
};

struct ParsedReply {
  ReplyHead head;
  Framing framing;
  bool keeps_alive = false;
};

/// Parses a head of a request as `LineBlock` hands it out.
///
/// Takes targets in origin, absolute (the authority is the target's, not the Host's) and asterisk
/// form. CONNECT is refused with method_not_allowed, everything malformed or ambiguous with
/// bad_request. One Host is required in HTTP/1.1. An upgrade is taken up if it names one protocol
/// and there is no body, else ignored, as RFC 9110 section 7.8 allows. Source: RFC 9112 sections 3
/// and 6.
///
/// `scheme`, a literal, is that of targets which do not name it: `https` if the connection uses
/// TLS, whatever the next hop uses. Source: RFC 9112 section 3.3.
[[nodiscard]] Parsed<ParsedRequest> parse_request(std::string block,
                                                  std::string_view scheme = "http");

/// Whether a head whose rest has not come may become a request: refuses what begins with no token,
/// or whose first line is no request line. Whoever speaks another protocol is told at once.
[[nodiscard]] Parsed<void> check_beginning(std::string_view partial);

/// What a reply answers, as far as it decides how the reply is read.
struct Asked {
  bool by_head = false;
  bool for_tunnel = false;  ///< with `upgrade`
};

/// Parses a head of a reply, final or informational. 101 is final, since HTTP ends with it; it is
/// refused where no tunnel was asked for. Source: RFC 9112 sections 4 and 6, RFC 9110 section 7.8.
[[nodiscard]] Parsed<ParsedReply> parse_reply(std::string block, Asked asked);

/// Whether a reply of that status has a body, whatever its fields say. Source: RFC 9110
/// section 6.4.1.
[[nodiscard]] constexpr bool may_have_body(std::uint16_t status) noexcept {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace router::h1
