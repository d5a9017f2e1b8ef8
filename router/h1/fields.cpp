// SPDX-License-Identifier: Apache-2.0
#include "router/h1/fields.hpp"

#include "router/exchange/field_text.hpp"
#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace router::h1 {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

constexpr Flaw kTooLarge{Errc::headers_too_large, "more than 64 KiB of header fields"};

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view{"!#$%&'*+-.^_`|~0123456789"
                                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kIsTokenChar = make_token_table();

/// RFC 9110 section 5.5: visible characters, spaces, tabs, and bytes beyond ASCII.
bool is_value(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

/// Whether the comma-separated `list` has `member` (lower case).
bool lists(std::string_view list, std::string_view member) noexcept {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equals_ignoring_case(trim(list.substr(0, comma)), member)) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

struct Line {
  std::string_view name;
  std::string_view value;
};

/// Takes the first line off `lines` and splits it at the colon.
Parsed<Line> take_line(std::span<char>& lines) {
  const std::string_view text{lines.data(), lines.size()};
  const std::size_t length = text.find(kLineEnd);  // LineBlock has seen that every line has one
  const std::size_t colon = text.substr(0, length).find(':');
  if (text.front() == ' ' || text.front() == '\t') {
    return malformed("a folded header field");
  }
  if (colon == std::string_view::npos || !is_token(text.substr(0, colon))) {
    return malformed("a header field whose name is no token");
  }
  std::transform(
      lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(colon), lines.begin(), to_lower);
  const Line line{.name = text.substr(0, colon),
                  .value = trim(text.substr(colon + 1, length - colon - 1))};
  if (!is_value(line.value)) {
    return malformed("a header field with control characters");
  }
  lines = lines.subspan(length + kLineEnd.size());
  return line;
}

/// Hands every line but the last, empty one to `take`, which answers with a `Parsed<void>`.
template <class Take>
Parsed<void> for_each_line(std::span<char> lines, Take take) {
  std::size_t n_bytes = 0;
  while (lines.size() > kLineEnd.size()) {
    const auto line = take_line(lines);
    if (!line) {
      return line.error();
    }
    n_bytes += field_size(line->name.size(), line->value.size());
    if (n_bytes > kMaxBlockBytes) {
      return kTooLarge;
    }
    if (const Parsed<void> taken = take(*line); !taken) {
      return taken.error();
    }
  }
  return {};
}

/// Reads the fields that frame the message. True if the field is this hop's own, and not to be
/// passed on.
Parsed<bool> take_framing(const Line& line, HeaderList& fields, Control& control) {
  if (line.name == "host") {
    if (control.host) {
      return malformed("two Host fields");
    }
    control.host = fields.keep(line.value);
    return true;
  }
  if (line.name == "content-length") {
    if (control.content_length) {
      return malformed("two Content-Length fields");
    }
    control.content_length = parse_length(line.value);
    if (!control.content_length) {
      return malformed("a Content-Length that is no number");
    }
    return false;
  }
  if (line.name == "transfer-encoding") {
    if (control.is_chunked || !equals_ignoring_case(line.value, "chunked")) {
      return malformed("a Transfer-Encoding other than chunked");
    }
    control.is_chunked = true;
    return true;
  }
  return false;
}

/// Reads the fields that concern the connection. True if the field is not to be passed on.
bool take_connection_wish(const Line& line, Control& control) {
  if (line.name == "connection") {
    control.closes = control.closes || lists(line.value, "close");
    control.upgrades = control.upgrades || lists(line.value, "upgrade");
  } else if (line.name == "te") {
    control.takes_trailers = control.takes_trailers || lists(line.value, "trailers");
  } else if (line.name == "expect" && equals_ignoring_case(line.value, "100-continue")) {
    control.expects_continue = true;
    return true;
  }
  return false;
}

}  // namespace

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kIsTokenChar[static_cast<unsigned char>(c)];
  });
}

std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
  constexpr std::size_t kMaxDigits = 19;  // what 64 bits hold whatever the digits
  const bool is_number =
      !text.empty() && text.size() <= kMaxDigits &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) {
    return std::nullopt;
  }
  std::uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

Parsed<bool> LineBlock::feed(std::span<const std::byte>& bytes) {
  while (!bytes.empty()) {
    const auto* const begin = reinterpret_cast<const char*>(bytes.data());
    const auto* const line_feed = static_cast<const char*>(std::memchr(begin, '\n', bytes.size()));
    const std::size_t n_bytes =
        line_feed == nullptr ? bytes.size() : static_cast<std::size_t>(line_feed - begin) + 1;
    if (text_.size() + n_bytes > kMaxBlockBytes) {
      return kTooLarge;
    }
    if (text_.empty()) {
      text_.reserve(kUsualHeadBytes);
    }
    text_.append(begin, n_bytes);
    bytes = bytes.subspan(n_bytes);
    if (line_feed == nullptr) {
      break;
    }
    const std::string_view line = std::string_view{text_}.substr(line_start_);
    if (line.find('\r') != line.size() - kLineEnd.size() || line.size() < kLineEnd.size()) {
      return malformed("a line that does not end in CR LF");
    }
    const bool is_empty = line == kLineEnd;
    line_start_ = text_.size();
    if (is_empty && !is_to_be_skipped()) {
      return true;
    }
  }
  return false;
}

bool LineBlock::is_to_be_skipped() noexcept {
  const bool is_leading = text_.size() == kLineEnd.size();
  if (!is_leading || leading_ == LeadingEmptyLine::ends || has_skipped_) {
    return false;
  }
  has_skipped_ = true;
  text_.clear();
  line_start_ = 0;
  return true;
}

std::string LineBlock::take() {
  line_start_ = 0;
  has_skipped_ = false;
  return std::exchange(text_, {});
}

Parsed<Control> parse_head_fields(std::span<char> lines, HeaderList& fields) {
  Control control;
  const auto parsed = for_each_line(lines, [&](const Line& line) -> Parsed<void> {
    const auto is_framing = take_framing(line, fields, control);
    if (!is_framing) {
      return is_framing.error();
    }
    if (!*is_framing && !take_connection_wish(line, control)) {
      fields.add_copy(line.name, line.value);
    }
    return {};
  });
  if (!parsed) {
    return parsed.error();
  }
  if (control.is_chunked && control.content_length) {
    return malformed("a Content-Length beside a Transfer-Encoding");
  }
  return control;
}

Parsed<void> parse_trailers(std::span<char> lines, HeaderList& fields) {
  return for_each_line(lines, [&](const Line& line) -> Parsed<void> {
    if (!is_barred_from_trailers(line.name)) {
      fields.add_copy(line.name, line.value);
    }
    return {};
  });
}

bool is_barred_from_trailers(std::string_view name) noexcept {
  // Framing and connection; routing; what a server decides access by; how the body is to be read.
  constexpr std::array<std::string_view, 24> kBarred{"authorization",
                                                     "connection",
                                                     "content-encoding",
                                                     "content-length",
                                                     "content-range",
                                                     "content-type",
                                                     "cookie",
                                                     "expect",
                                                     "forwarded",
                                                     "host",
                                                     "keep-alive",
                                                     "l5d-dst-override",
                                                     "max-forwards",
                                                     "proxy-authenticate",
                                                     "proxy-authorization",
                                                     "proxy-connection",
                                                     "range",
                                                     "set-cookie",
                                                     "te",
                                                     "trailer",
                                                     "transfer-encoding",
                                                     "upgrade",
                                                     "www-authenticate",
                                                     "x-forwarded-for"};
  static_assert(std::is_sorted(kBarred.begin(), kBarred.end()));
  return std::binary_search(kBarred.begin(), kBarred.end(), name);
}

}  // namespace router::h1
