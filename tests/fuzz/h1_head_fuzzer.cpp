// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 message, read as a request and as a reply: where it is cut must not matter, and what
// was understood must be understood the same again once this hop has written it.
#include "router/h1/body_reader.hpp"
#include "router/h1/head.hpp"
#include "router/h1/writer.hpp"
#include "tests/fuzz/input.hpp"

#include <optional>
#include <string>
#include <utility>

using fuzz::require;

namespace router::h1 {
namespace {

struct Body {
  std::string content;
  std::string left;
  std::string trailers;
  bool is_complete = false;
  std::optional<Errc> refused;

  bool operator==(const Body&) const = default;
};

/// A head's end, and what came behind it.
struct Head {
  std::string block;
  std::string rest;
  bool is_whole = false;
  std::optional<Errc> refused;

  bool operator==(const Head&) const = default;
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void check_fields(const HeaderList& fields) {
  for (const HeaderField& field : fields) {
    require(is_token(field.name()), "a field's name is a token");
    require(field.name().find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos,
            "a field's name is in lower case");
    require(field.value().find_first_of(std::string_view{"\0\r\n", 3}) == std::string_view::npos,
            "a field's value is one line");
  }
}

Head read_head(std::string_view text, fuzz::Cutting cutting) {
  Head head;
  LineBlock lines{LineBlock::LeadingEmptyLine::is_skipped};
  fuzz::for_each_piece(text, cutting, [&](std::string_view piece) {
    auto bytes = std::as_bytes(std::span{piece});
    if (!head.is_whole) {
      const auto fed = lines.feed(bytes);
      if (!fed) {
        head.refused = fed.error().code;
        return false;
      }
      head.is_whole = *fed;
      require(*fed || bytes.empty(), "an incomplete block takes all there is");
    }
    head.rest += text_of(bytes);
    return true;
  });
  if (head.is_whole) {
    head.block = lines.take();
  }
  return head;
}

Body read_body(const Framing& framing, std::string_view text, fuzz::Cutting cutting) {
  Body body;
  BodyReader reader{framing};
  fuzz::for_each_piece(text, cutting, [&](std::string_view piece) {
    auto bytes = std::as_bytes(std::span{piece});
    while (!bytes.empty() && !reader.is_complete()) {
      const std::size_t n_before = bytes.size();
      const auto content = reader.read(bytes);
      if (!content) {
        body.refused = content.error().code;
        return false;
      }
      require(bytes.size() < n_before, "a call that is given bytes takes some");
      body.content += text_of(*content);
    }
    body.left += text_of(bytes);
    return true;
  });
  body.is_complete = reader.is_complete();
  check_fields(reader.trailers());
  for (const HeaderField& field : reader.trailers()) {
    require(!is_barred_from_trailers(field.name()), "no trailer is one that is barred");
    body.trailers.append(field.name()).append(":").append(field.value()).append("\n");
  }
  return body;
}

void check_body(const Framing& framing, std::string_view text) {
  const Body whole = read_body(framing, text, fuzz::Cutting::none);
  for (const fuzz::Cutting cutting : fuzz::kCuttings) {
    require(read_body(framing, text, cutting) == whole, "a body does not depend on the cuts");
  }
}

void check_request(const Head& head) {
  const auto request = parse_request(head.block);
  if (!request) {
    return;
  }
  check_fields(request->head.fields);
  check_body(request->framing, head.rest);

  const bool has_body = request->framing.kind != Framing::Kind::none;
  const Framing framing = request_framing(request->head, !has_body);
  const auto again = parse_request(write_request_head(request->head, framing));
  require(again.has_value(), "a request that was taken is taken from this hop, too");
  require(again->framing == request->framing, "its body has the same end");
  require(again->head.method == request->head.method, "its method stays");
  require(again->head.path == request->head.path, "its path stays");
  require(again->head.authority == request->head.authority, "its authority stays");
}

void check_reply(const Head& head, bool to_head) {
  const auto reply = parse_reply(head.block, {.by_head = to_head});
  if (!reply) {
    return;
  }
  require(reply->head.status >= 100 && reply->head.status <= 999, "a status has three digits");
  check_fields(reply->head.fields);
  check_body(reply->framing, head.rest);
  if (reply->head.status < 200) {
    require(parse_reply(write_informational(reply->head), {.by_head = to_head}).has_value(),
            "an informational head that was taken is taken from this hop, too");
    return;
  }
  const ReplyContext context{.to_head = to_head};
  const bool has_body = reply->framing.kind != Framing::Kind::none;
  const Framing framing = reply_framing(reply->head, !has_body, context);
  const auto again =
      parse_reply(write_reply_head(reply->head, framing, context), {.by_head = to_head});
  require(again.has_value(), "a reply that was taken is taken from this hop, too");
  require(again->head.status == reply->head.status, "its status stays");
  // What ended with its connection is sent on in chunks.
  const Framing expected = reply->framing.kind == Framing::Kind::until_close
                               ? Framing{Framing::Kind::chunked, 0}
                               : reply->framing;
  require(again->framing == expected, "its body has the same end");
}

}  // namespace
}  // namespace router::h1

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace router::h1;
  const std::string_view text = fuzz::text_of(data, size);
  const Head head = read_head(text, fuzz::Cutting::none);
  for (const fuzz::Cutting cutting : fuzz::kCuttings) {
    Head other = read_head(text, cutting);
    if (head.refused) {
      other.rest = head.rest;  // nothing behind a refusal is read
    }
    require(other == head, "a head does not depend on the cuts");
  }
  if (head.is_whole) {
    check_request(head);
    check_reply(head, false);
    check_reply(head, true);
  }
  // A body without a head: all of the input for the state machine of the chunks.
  check_body({Framing::Kind::chunked, 0}, text);
  check_body({Framing::Kind::length, 1 + size / 2}, text);
  return 0;
}
