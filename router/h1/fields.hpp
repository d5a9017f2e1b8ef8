// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/exchange/headers.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace router::h1 {

/// Why a message was refused. Toward a client it becomes the reply; an endpoint's is always
/// upstream_protocol_error.
struct Flaw {
  Errc code = Errc::bad_request;
  std::string_view what;  ///< a literal
};

/// `what`: a literal.
constexpr Flaw malformed(std::string_view what) noexcept {
  return {Errc::bad_request, what};
}

template <class T>
using Parsed = boost::system::result<T, Flaw>;

/// Bound on one head, or one trailer section, as read from the wire.
/// Also on the sum of its fields with 32 bytes of overhead each, as HTTP/2 counts them: many tiny
/// fields cost more memory than their text.
inline constexpr std::size_t kMaxBlockBytes = 64 * std::size_t{1024};
/// Of most heads: one allocation.
inline constexpr std::size_t kUsualHeadBytes = 512;

/// Collects lines up to and with the empty one that ends them, from pieces of any size.
///
/// A line must end in CRLF: a bare LF is refused as soon as it comes, since peers disagree on
/// whether it ends a line. Source: RFC 9112 sections 2.2 and 5.
class LineBlock {
 public:
  enum class LeadingEmptyLine : std::uint8_t {
    ends,        ///< a trailer section may be empty
    is_skipped,  ///< one, before a head: RFC 9112 section 2.2
  };

  explicit LineBlock(LeadingEmptyLine leading) noexcept : leading_{leading} {}

  /// Takes bytes from the front of `bytes`. True once the block is complete; what follows it is
  /// left in `bytes`.
  [[nodiscard]] Parsed<bool> feed(std::span<const std::byte>& bytes);
  /// Whether nothing of a block has come yet.
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  /// What has come of a block that is not complete.
  [[nodiscard]] std::string_view partial() const noexcept { return text_; }
  /// Hands out the complete block and begins afresh.
  [[nodiscard]] std::string take();

 private:
  [[nodiscard]] bool is_to_be_skipped() noexcept;

  LeadingEmptyLine leading_;
  bool has_skipped_ = false;
  std::size_t line_start_ = 0;
  std::string text_;
};

/// What the fields of a head say of the message itself, and of the connection.
struct Control {
  std::optional<std::string_view> host;         ///< text in the list's arena
  std::optional<std::uint64_t> content_length;  ///< one field, digits only
  bool is_chunked = false;        ///< one `transfer-encoding`, which is exactly `chunked`
  bool closes = false;            ///< `connection: close`
  bool upgrades = false;          ///< `connection: upgrade`
  bool expects_continue = false;  ///< `expect: 100-continue`
  bool takes_trailers = false;    ///< `te: trailers`
};

/// Parses field lines, the last of which is followed by an empty one, into `fields`; names come out
/// in lower case.
///
/// Refuses what two peers could understand differently: white space before the colon, folded lines,
/// control characters, two Hosts, two or odd Content-Lengths, any transfer coding but `chunked`, a
/// Content-Length beside it. Left out of `fields`, since they are this hop's own: `host`,
/// `transfer-encoding`, `expect: 100-continue`. `lines` is changed: the names in it are put in
/// lower case. Source: RFC 9112 sections 5, 6.1 and 6.3; RFC 9110 section 7.2.
[[nodiscard]] Parsed<Control> parse_head_fields(std::span<char> lines, HeaderList& fields);

/// The same for a trailer section. Fields that frame, route or authorise are dropped: nobody
/// downstream may take them for header fields. Source: RFC 9110 section 6.5.1.
[[nodiscard]] Parsed<void> parse_trailers(std::span<char> lines, HeaderList& fields);

/// Whether a trailer of that (lower-case) name is dropped, in either direction.
[[nodiscard]] bool is_barred_from_trailers(std::string_view name) noexcept;

/// `token` of RFC 9110 section 5.6.2.
[[nodiscard]] bool is_token(std::string_view text) noexcept;
/// 1 to 19 digits.
[[nodiscard]] std::optional<std::uint64_t> parse_length(std::string_view text) noexcept;

}  // namespace router::h1
