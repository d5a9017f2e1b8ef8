// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/h2_stream.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fuzz {

using router::BodyState;
using router::Reset;

void H2Stream::begin_request() {
  request_.method = "POST";
  request_.scheme = "http";
  request_.authority = "cart.shop";
  request_.path = "/shop.Cart/Add";
  request_.fields.add_copy("te", "trailers");
  trailers_.add_copy("checksum", "17");
  outgoing_.assign(rig_.draw(3) == 0 ? 100'000 : rig_.draw(100), 'x');
  const bool end = rig_.draw(3) == 0;
  has_answered_ = true;
  id = rig_.session_.submit_request(request_, end, *this);
}

void H2Stream::check_form(const router::HeaderField& field) const {
  const std::string_view name = field.name();
  require(!name.empty(), "a field has a name");
  require(std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; }),
          "a field's name is in lower case");
  require(field.value().find_first_of(std::string_view{"\0\r\n", 3}) == std::string_view::npos,
          "a field's value is one line");
}

void H2Stream::on_field(router::HeaderField field) {
  check_form(field);
  require(!has_ended_, "no field comes behind the end");
  if (field.name().starts_with(':')) {
    require(!has_head_, "trailers have no pseudo-header field");
    require(!has_plain_field_, "pseudo-header fields come first");
    require(is_server() || field.name() == ":status", "a reply has one pseudo-header field");
    if (!is_server()) {
      const std::string_view text = field.value();
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), status_);
      require(text.size() == 3 && parsed.ptr == text.data() + text.size(),
              "a status is three digits");
    }
  } else {
    has_plain_field_ = true;
  }
  received_.add(std::move(field));
}

void H2Stream::on_fields_end(bool end_stream) {
  require(!has_ended_, "no block of fields comes behind the end");
  has_plain_field_ = false;
  if (has_head_) {
    require(end_stream, "trailers end the stream");
    has_ended_ = true;
    resume();
    return;
  }
  const bool is_informational = !is_server() && status_ / 100 == 1;
  if (is_informational) {
    require(!end_stream, "an informational head does not end the stream");
    status_ = kNoStatus;
    return;
  }
  require(is_server() || status_ != kNoStatus, "a reply has a status");
  if (!is_server() && status_ < 100) {
    reset(Reset::protocol_error);  // nghttp2 takes three digits for a status, whichever they are
  }
  has_head_ = true;
  has_ended_ = end_stream;
  if (is_server()) {
    answer();
  }
}

/// Server: at the head, or else at the request's end.
void H2Stream::answer() {
  if (has_answered_) {
    return;
  }
  switch (rig_.draw(8)) {
    case 0:
      reset(Reset::refused);
      return;
    case 1: {
      const router::ReplyHead hints{.status = 103, .fields = {}};
      rig_.session_.submit_informational(id, hints);
      break;
    }
    case 2:
      if (!has_ended_) {
        return;
      }
      break;
    default:
      break;
  }
  has_answered_ = true;
  reply_.status = 200;
  reply_.fields.add_copy("content-type", "application/grpc");
  trailers_.add_copy("grpc-status", "0");
  rig_.session_.submit_reply(id, reply_, rig_.draw(4) == 0);
}

void H2Stream::on_data(std::span<const std::byte> bytes) {
  require(has_head_, "no data comes before the head");
  require(!has_ended_, "no data comes behind the end");
  uncredited_bytes_ += bytes.size();
  // nghttp2 hands over the frame that breaks the window, too, before it ends the connection.
  constexpr std::size_t kFrameBytes = 16 * std::size_t{1024};
  require(uncredited_bytes_ <= rig_.limits_.max_stream_window_bytes + kFrameBytes,
          "what is not consumed is within the stream's window");
  if (is_server() && !is_reset_) {
    outgoing_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    resume();
  } else if (is_reset_ || rig_.draw(2) == 0) {
    consume();
  }
}

void H2Stream::on_end_stream() {
  require(has_head_ && !has_ended_, "a stream ends once, behind its head");
  has_ended_ = true;
  if (is_server()) {
    answer();
  }
  resume();
}

void H2Stream::on_sent(bool end_stream) {
  require(!has_sent_end_, "nothing is sent behind the end");
  has_sent_end_ = end_stream;
  if (end_stream && is_server() && !has_ended_ && !is_reset_) {
    reset(Reset::no_error);  // RFC 9113 section 8.1
  }
}

void H2Stream::on_stream_closed(std::uint32_t /*h2_error_code*/) {
  ++rig_.n_closed_;
  rig_.streams_.erase(self);  // ends this object: whatever comes for it now is a use after free
}

router::Pulled H2Stream::pull(std::span<std::byte> into) {
  require(!into.empty() && !has_sent_end_, "a pull has room");
  if (is_reset_) {
    return {};
  }
  const std::size_t n_bytes = std::min(into.size(), outgoing_.size());
  std::memcpy(into.data(), outgoing_.data(), n_bytes);
  outgoing_.erase(0, n_bytes);
  if (is_server()) {
    uncredited_bytes_ -= n_bytes;  // what comes is what goes
    rig_.session_.consume(id, n_bytes);
  }
  const bool is_complete = outgoing_.empty() && (has_ended_ || !is_server());
  if (!is_complete) {
    return {n_bytes, BodyState::open};
  }
  return {n_bytes, rig_.draw(2) == 0 ? BodyState::ended : BodyState::trailers};
}

void H2Stream::consume() {
  const bool is_echoed = is_server() && !is_reset_;
  const std::size_t n_bytes = is_echoed ? 0 : uncredited_bytes_;
  uncredited_bytes_ -= n_bytes;
  rig_.session_.consume(id, n_bytes);
}

void H2Stream::reset(Reset how) {
  is_reset_ = true;
  has_answered_ = true;
  rig_.session_.reset(id, how);
}

}  // namespace fuzz
