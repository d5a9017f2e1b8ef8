// SPDX-License-Identifier: Apache-2.0
#include "router/h1/writer.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace router::h1 {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kContentLength = "content-length";

/// Fields that this hop writes itself, or that were another hop's own.
bool is_written_apart(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 7> kNames{"connection",
                                                   "content-length",
                                                   "host",
                                                   "keep-alive",
                                                   "proxy-connection",
                                                   "transfer-encoding",
                                                   "upgrade"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

void append_field(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append(kLineEnd);
}

struct Reason {
  std::uint16_t status;
  std::string_view phrase;
};
constexpr std::array kReasons{Reason{100, "Continue"},
                              Reason{101, "Switching Protocols"},
                              Reason{103, "Early Hints"},
                              Reason{200, "OK"},
                              Reason{201, "Created"},
                              Reason{202, "Accepted"},
                              Reason{204, "No Content"},
                              Reason{206, "Partial Content"},
                              Reason{301, "Moved Permanently"},
                              Reason{302, "Found"},
                              Reason{303, "See Other"},
                              Reason{304, "Not Modified"},
                              Reason{307, "Temporary Redirect"},
                              Reason{308, "Permanent Redirect"},
                              Reason{400, "Bad Request"},
                              Reason{401, "Unauthorized"},
                              Reason{403, "Forbidden"},
                              Reason{404, "Not Found"},
                              Reason{405, "Method Not Allowed"},
                              Reason{408, "Request Timeout"},
                              Reason{409, "Conflict"},
                              Reason{413, "Content Too Large"},
                              Reason{429, "Too Many Requests"},
                              Reason{431, "Request Header Fields Too Large"},
                              Reason{500, "Internal Server Error"},
                              Reason{501, "Not Implemented"},
                              Reason{502, "Bad Gateway"},
                              Reason{503, "Service Unavailable"},
                              Reason{504, "Gateway Timeout"},
                              Reason{508, "Loop Detected"}};

/// Read by people only; RFC 9112 section 4 lets it be empty.
std::string_view reason_of(std::uint16_t status) noexcept {
  const auto found = std::find_if(kReasons.begin(), kReasons.end(), [status](const Reason& row) {
    return row.status == status;
  });
  return found == kReasons.end() ? "" : found->phrase;
}

void append_status_line(std::string& text, std::uint16_t status) {
  const fmt::format_int digits{status};
  text.append("HTTP/1.1 ").append(digits.data(), digits.size()).append(" ");
  text.append(reason_of(status)).append(kLineEnd);
}

void append_framing(std::string& text, const Framing& framing) {
  if (framing.kind == Framing::Kind::chunked) {
    append_field(text, "transfer-encoding", "chunked");
  } else if (framing.kind == Framing::Kind::length) {
    append_field(text, kContentLength, fmt::format_int{framing.length_bytes}.str());
  }
}

Framing framing_of(const HeaderList& fields, bool end) {
  if (end) {
    return {};
  }
  if (const auto field = fields.find(kContentLength)) {
    // Zero with a body to come cannot be true, and is no framing either; BodyWriter refuses what
    // exceeds it.
    if (const auto length = parse_length(*field); length && *length > 0) {
      return {Framing::Kind::length, *length};
    }
  }
  return {Framing::Kind::chunked, 0};
}

/// Methods whose requests are expected to have a body, so that its absence is stated: RFC 9110
/// section 8.6.
bool anticipates_body(std::string_view method) noexcept {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

Framing request_framing(const RequestHead& head, bool end) {
  return framing_of(head.fields, end);
}

Framing reply_framing(const ReplyHead& head, bool end, const ReplyContext& context) {
  if (context.to_head || !may_have_body(head.status)) {
    return {};
  }
  const Framing framing = framing_of(head.fields, end);
  if (framing.kind == Framing::Kind::chunked && context.to_http10) {
    return {Framing::Kind::until_close, 0};
  }
  return framing;
}

std::string write_request_head(const RequestHead& head,
                               const Framing& framing,
                               std::string_view websocket_key) {
  std::string text;
  text.reserve(kUsualHeadBytes);
  text.append(head.method == "CONNECT" ? "GET" : head.method).append(" ").append(head.path);
  text.append(" HTTP/1.1").append(kLineEnd);
  append_field(text, "host", head.authority);
  append_framing(text, framing);
  if (framing.kind == Framing::Kind::none && anticipates_body(head.method)) {
    append_field(text, kContentLength, "0");
  }
  std::string cookies;
  for (const HeaderField& field : head.fields) {
    if (field.name() == "cookie") {
      cookies.append(cookies.empty() ? "" : "; ").append(field.value());
    } else if (!is_written_apart(field.name())) {
      append_field(text, field.name(), field.value());
    }
  }
  if (!cookies.empty()) {
    append_field(text, "cookie", cookies);
  }
  const bool has_te = head.fields.find("te").has_value();
  if (!websocket_key.empty()) {
    append_field(text, "sec-websocket-key", websocket_key);
  }
  if (!head.protocol.empty()) {
    append_field(text, "connection", has_te ? "upgrade, te" : "upgrade");
    append_field(text, "upgrade", head.protocol);
  } else if (has_te) {
    append_field(text, "connection", "te");  // RFC 9110 section 10.1.4
  }
  return text.append(kLineEnd);
}

std::string write_reply_head(const ReplyHead& head,
                             const Framing& framing,
                             const ReplyContext& context) {
  std::string text;
  text.reserve(kUsualHeadBytes);
  append_status_line(text, head.status);
  append_framing(text, framing);
  if (framing.kind == Framing::Kind::none) {
    // To HEAD, and with 304, it tells the size of what is not sent; elsewhere it must say that
    // nothing follows.
    const bool tells_size = context.to_head || head.status == 304;
    const auto told = head.fields.find(kContentLength);
    if (tells_size && told) {
      append_field(text, kContentLength, *told);
    } else if (!tells_size && may_have_body(head.status)) {
      append_field(text, kContentLength, "0");
    }
  }
  for (const HeaderField& field : head.fields) {
    if (!is_written_apart(field.name())) {
      append_field(text, field.name(), field.value());
    }
  }
  if (context.closes) {
    append_field(text, "connection", "close");
  }
  return text.append(kLineEnd);
}

std::string write_informational(const ReplyHead& head) {
  std::string text;
  append_status_line(text, head.status);
  for (const HeaderField& field : head.fields) {
    if (!is_written_apart(field.name())) {
      append_field(text, field.name(), field.value());
    }
  }
  return text.append(kLineEnd);
}

std::string write_switch(const ReplyHead& head) {
  std::string text;
  append_status_line(text, 101);
  append_field(text, "connection", "upgrade");
  append_field(text, "upgrade", head.protocol);
  for (const HeaderField& field : head.fields) {
    if (!is_written_apart(field.name())) {
      append_field(text, field.name(), field.value());
    }
  }
  return text.append(kLineEnd);
}

void append_text(OutputBuffer& out, std::string_view text) {
  out.append(std::as_bytes(std::span{text}));
}

bool BodyWriter::write(OutputBuffer& out, std::span<const std::byte> content) {
  if (content.empty() || framing_.kind == Framing::Kind::none) {
    return true;  // a body that the reply's status, or HEAD, does not allow is dropped
  }
  if (framing_.kind == Framing::Kind::length) {
    if (content.size() > left_bytes_) {
      return false;
    }
    left_bytes_ -= content.size();
  } else if (framing_.kind == Framing::Kind::chunked) {
    constexpr std::size_t kMaxSizeLine = 18;  // 16 hexadecimal digits, CR LF
    std::array<char, kMaxSizeLine> line;
    const auto* const end = fmt::format_to(line.data(), FMT_COMPILE("{:x}\r\n"), content.size());
    append_text(out, {line.data(), static_cast<std::size_t>(end - line.data())});
  }
  out.append(content);
  if (framing_.kind == Framing::Kind::chunked) {
    append_text(out, kLineEnd);
  }
  return true;
}

bool BodyWriter::finish(OutputBuffer& out, const HeaderList* trailers) {
  if (framing_.kind != Framing::Kind::chunked) {
    return left_bytes_ == 0;
  }
  std::string text{"0\r\n"};
  if (trailers != nullptr) {
    for (const HeaderField& field : *trailers) {
      if (!is_barred_from_trailers(field.name())) {
        append_field(text, field.name(), field.value());
      }
    }
  }
  append_text(out, text.append(kLineEnd));
  return true;
}

}  // namespace router::h1
