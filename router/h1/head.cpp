// SPDX-License-Identifier: Apache-2.0
#include "router/h1/head.hpp"

#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace router::h1 {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHttp11 = "HTTP/1.1";
constexpr std::string_view kHttp10 = "HTTP/1.0";

/// The first line, and the field lines behind it, which the parser of the fields may change.
struct Block {
  std::string_view first_line;
  std::span<char> field_lines;
};

Block split(std::string& block) {
  const std::size_t length = block.find(kLineEnd);  // LineBlock has seen one
  return {.first_line = std::string_view{block}.substr(0, length),
          .field_lines = std::span{block}.subspan(length + kLineEnd.size())};
}

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view version;
};

/// Exactly two single spaces: looser splitting is how two peers come to see two requests.
Parsed<RequestLine> split_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return malformed("a request line that is not method, target, version");
  }
  const RequestLine parts{.method = line.substr(0, first),
                          .target = line.substr(first + 1, last - first - 1),
                          .version = line.substr(last + 1)};
  const bool is_clean = std::all_of(parts.target.begin(), parts.target.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
  if (!is_token(parts.method) || parts.target.empty() || !is_clean) {
    return malformed("a request line that is not method, target, version");
  }
  if (parts.version != kHttp11 && parts.version != kHttp10) {
    return malformed("a version that is neither HTTP/1.1 nor HTTP/1.0");
  }
  return parts;
}

/// RFC 3986 section 3.2, without userinfo, which RFC 9110 section 4.2.4 forbids. What it names is
/// for the identifiers to say; here, that no reader ends it elsewhere.
bool is_authority(std::string_view text) noexcept {
  constexpr std::string_view kMarks = "-._~%!$&'()*+,;=:[]";
  return std::all_of(text.begin(), text.end(), [kMarks](char c) {
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z');
    return is_alphanumeric || kMarks.find(c) != std::string_view::npos;
  });
}

struct Target {
  std::string_view scheme = "http";
  std::string_view authority;  ///< empty unless in absolute form
  std::string_view path;
};

/// RFC 9112 section 3.2.2.
Parsed<Target> split_absolute_target(std::string_view method, std::string_view target) {
  constexpr std::string_view kMark = "://";
  const std::size_t mark = target.find(kMark);
  if (mark == std::string_view::npos) {
    return malformed("a request target that is neither a path nor a URI");
  }
  const std::string_view rest = target.substr(mark + kMark.size());
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  Target parts{.authority = rest.substr(0, end), .path = rest.substr(end)};
  if (equals_ignoring_case(target.substr(0, mark), "https")) {
    parts.scheme = "https";
  } else if (!equals_ignoring_case(target.substr(0, mark), "http")) {
    return malformed("a request target of a scheme other than http");
  }
  if (parts.authority.empty()) {
    return malformed("a request target without a plain authority");
  }
  if (parts.path.empty()) {
    parts.path = method == "OPTIONS" ? "*" : "/";
  } else if (parts.path.front() != '/') {
    return malformed("a request target without a path before its query");
  }
  return parts;
}

Parsed<Target> split_target(std::string_view method,
                            std::string_view target,
                            std::string_view scheme) {
  if (target.front() == '/' || (target == "*" && method == "OPTIONS")) {
    return Target{.scheme = scheme, .authority = {}, .path = target};
  }
  return split_absolute_target(method, target);
}

Framing framing_of_length(std::uint64_t length_bytes) {
  return length_bytes == 0 ? Framing{} : Framing{Framing::Kind::length, length_bytes};
}

Framing request_framing(const Control& control) {
  if (control.is_chunked) {
    return {Framing::Kind::chunked, 0};
  }
  return framing_of_length(control.content_length.value_or(0));
}

Framing reply_framing(const Control& control, std::uint16_t status, bool to_head) {
  if (to_head || !may_have_body(status)) {
    return {};
  }
  if (control.is_chunked) {
    return {Framing::Kind::chunked, 0};
  }
  if (control.content_length) {
    return framing_of_length(*control.content_length);
  }
  return {Framing::Kind::until_close, 0};
}

/// The one protocol that `upgrade` names; empty if `connection` does not say that it is meant, or
/// there are several. RFC 9110 section 7.8.
std::string_view upgrade_of(const Control& control, const HeaderList& fields) {
  if (!control.upgrades) {
    return {};
  }
  const auto n_fields = std::count_if(fields.begin(), fields.end(), [](const HeaderField& field) {
    return field.name() == "upgrade";
  });
  const std::string_view protocol = fields.find("upgrade").value_or("");
  const std::size_t slash = std::min(protocol.find('/'), protocol.size());
  const std::string_view version = protocol.substr(slash);
  if (n_fields != 1 || !is_token(protocol.substr(0, slash)) ||
      !(version.empty() || is_token(version.substr(1)))) {
    return {};
  }
  // The case does not matter here, and does in HTTP/2.
  return equals_ignoring_case(protocol, "websocket") ? "websocket" : protocol;
}

/// "HTTP/1.1 200 OK": the reason may be absent, and then even the space before it.
Parsed<std::uint16_t> parse_status_line(std::string_view line) {
  constexpr std::size_t kStatusAt = kHttp11.size() + 1;
  constexpr std::size_t kStatusDigits = 3;
  const bool has_version = line.starts_with(kHttp11) || line.starts_with(kHttp10);
  if (!has_version || line.size() < kStatusAt + kStatusDigits || line[kHttp11.size()] != ' ') {
    return malformed("a status line that is not version, status, reason");
  }
  const auto status = parse_length(line.substr(kStatusAt, kStatusDigits));
  const std::string_view rest = line.substr(kStatusAt + kStatusDigits);
  if (!status || *status < 100 || (!rest.empty() && rest.front() != ' ')) {
    return malformed("a status that is not three digits");
  }
  return static_cast<std::uint16_t>(*status);
}

}  // namespace

Parsed<void> check_beginning(std::string_view partial) {
  const std::size_t length = partial.find(kLineEnd);
  if (length == std::string_view::npos) {
    const bool may_be_empty_line = partial.empty() || partial == "\r";
    return may_be_empty_line || is_token(partial.substr(0, 1))
               ? Parsed<void>{}
               : malformed("no request line of HTTP/1.1");
  }
  const auto line = split_request_line(partial.substr(0, length));
  return line ? Parsed<void>{} : line.error();
}

Parsed<ParsedRequest> parse_request(std::string block, std::string_view scheme) {
  const Block parts = split(block);
  const auto line = split_request_line(parts.first_line);
  if (!line) {
    return line.error();
  }
  if (line->method == "CONNECT") {
    return Flaw{Errc::method_not_allowed, ""};
  }
  const auto target = split_target(line->method, line->target, scheme);
  if (!target) {
    return target.error();
  }
  ParsedRequest request;
  HeaderList& fields = request.head.fields;
  const auto control = parse_head_fields(parts.field_lines, fields);
  if (!control) {
    return control.error();
  }
  request.is_http10 = line->version == kHttp10;
  if (!request.is_http10 && !control->host) {
    return malformed("no Host field");
  }
  if (!is_authority(control->host.value_or("")) || !is_authority(target->authority)) {
    return malformed("an authority that is not host and port");
  }
  if (request.is_http10 && control->is_chunked) {
    return malformed("a Transfer-Encoding in HTTP/1.0");
  }
  request.head.method = fields.keep(line->method);
  request.head.scheme = target->scheme;
  request.head.authority =
      target->authority.empty() ? control->host.value_or("") : fields.keep(target->authority);
  request.head.path = fields.keep(target->path);
  request.head.n_bytes = parts.first_line.size() + size_of(fields);
  request.head.is_grpc = fields.find("content-type").value_or("").starts_with("application/grpc");
  request.framing = request_framing(*control);
  if (!request.is_http10 && request.framing.kind == Framing::Kind::none) {
    request.head.protocol = upgrade_of(*control, fields);
    if (!request.head.protocol.empty()) {
      fields.remove("content-length");  // 0, and no length of what goes through the tunnel
    }
  }
  request.keeps_alive = !request.is_http10 && !control->closes;
  request.expects_continue = control->expects_continue && !request.is_http10;
  request.takes_trailers = control->takes_trailers && !request.is_http10;
  return request;
}

Parsed<ParsedReply> parse_reply(std::string block, Asked asked) {
  const Block parts = split(block);
  const auto status = parse_status_line(parts.first_line);
  if (!status) {
    return status.error();
  }
  const bool is_http10 = parts.first_line.starts_with(kHttp10);
  ParsedReply reply;
  reply.head.status = *status;
  const auto control = parse_head_fields(parts.field_lines, reply.head.fields);
  if (!control) {
    return control.error();
  }
  reply.head.n_bytes = size_of(reply.head.fields);
  if (*status == 101) {
    reply.head.protocol = upgrade_of(*control, reply.head.fields);
    if (!asked.for_tunnel || is_http10 || reply.head.protocol.empty()) {
      return malformed("a switch of protocols that nobody asked for");
    }
  }
  const bool is_without_body = *status < 200 || *status == 204;
  if (control->is_chunked && (is_http10 || is_without_body)) {
    return malformed("a Transfer-Encoding where there is none");
  }
  if (is_without_body) {
    reply.head.fields.remove("content-length");  // RFC 9110 section 8.6: must not be there
  }
  reply.framing = *status == 101 ? Framing{Framing::Kind::until_close, 0}
                                 : reply_framing(*control, *status, asked.by_head);
  reply.keeps_alive =
      !is_http10 && !control->closes && reply.framing.kind != Framing::Kind::until_close;
  return reply;
}

}  // namespace router::h1
