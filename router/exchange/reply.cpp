// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/reply.hpp"

#include <fmt/format.h>

namespace router {
namespace {

std::string describe(Errc code, std::string_view detail) {
  const Verdict& verdict = verdict_of(code);
  return detail.empty() ? fmt::format("nodeway: {}", verdict.text)
                        : fmt::format("nodeway: {}: {}", verdict.text, detail);
}

void add_error_fields(HeaderList& fields, Errc code, std::string_view detail) {
  const Verdict& verdict = verdict_of(code);
  fields.add_copy("grpc-status", fmt::format_int{verdict.grpc_status}.str());
  fields.add_copy("grpc-message", percent_encode(describe(code, detail)));
  fields.add({kErrorHeader, verdict.reason});
}

/// One line: what a peer sent must not break out of it.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      c = '?';
    }
  }
  text.push_back('\n');
  return text;
}

}  // namespace

std::string percent_encode(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      encoded.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", byte);
    }
  }
  return encoded;
}

LocalReply make_local_reply(Errc code, std::string_view detail, bool is_grpc) {
  const Verdict& verdict = verdict_of(code);
  LocalReply reply;
  if (is_grpc) {
    reply.head.status = 200;
    reply.head.fields.add({"content-type", "application/grpc"});
    add_error_fields(reply.head.fields, code, detail);
    reply.head.n_bytes = size_of(reply.head.fields);
    return reply;
  }
  reply.head.status = verdict.http_status;
  reply.body = one_line(describe(code, detail));
  reply.head.fields.add({"content-type", "text/plain; charset=utf-8"});
  reply.head.fields.add_copy("content-length", fmt::format_int{reply.body.size()}.str());
  reply.head.fields.add({kErrorHeader, verdict.reason});
  reply.head.n_bytes = size_of(reply.head.fields);
  return reply;
}

HeaderList make_error_trailers(Errc code, std::string_view detail) {
  HeaderList trailers;
  add_error_fields(trailers, code, detail);
  return trailers;
}

}  // namespace router
