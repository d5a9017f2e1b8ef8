// SPDX-License-Identifier: Apache-2.0
#include "router/h1/body_reader.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace router::h1 {
namespace {

constexpr std::optional<std::uint64_t> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return static_cast<std::uint64_t>(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return static_cast<std::uint64_t>(c - 'a') + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return static_cast<std::uint64_t>(c - 'A') + 10;
  }
  return std::nullopt;
}

}  // namespace

BodyReader::BodyReader(const Framing& framing) noexcept : left_bytes_{framing.length_bytes} {
  switch (framing.kind) {
    case Framing::Kind::none:
      state_ = State::done;
      break;
    case Framing::Kind::length:
      state_ = State::content;
      break;
    case Framing::Kind::chunked:
      state_ = State::size;
      is_chunked_ = true;
      break;
    case Framing::Kind::until_close:
      state_ = State::until_close;
      break;
  }
}

Parsed<std::span<const std::byte>> BodyReader::read(std::span<const std::byte>& bytes) {
  while (!bytes.empty() && state_ != State::done) {
    if (state_ == State::content || state_ == State::until_close) {
      return take_content(bytes);
    }
    if (const auto framed = read_framing(bytes); !framed) {
      return framed.error();
    }
  }
  return std::span<const std::byte>{};
}

std::span<const std::byte> BodyReader::take_content(std::span<const std::byte>& bytes) {
  std::size_t n_bytes = bytes.size();
  if (state_ == State::content) {
    n_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes_, n_bytes));
    left_bytes_ -= n_bytes;
    if (left_bytes_ == 0) {
      state_ = is_chunked_ ? State::chunk_end : State::done;
    }
  }
  const auto content = bytes.first(n_bytes);
  bytes = bytes.subspan(n_bytes);
  return content;
}

Parsed<void> BodyReader::read_framing(std::span<const std::byte>& bytes) {
  if (state_ == State::trailers) {
    return read_trailers(bytes);
  }
  const char c = static_cast<char>(bytes.front());
  bytes = bytes.subspan(1);
  switch (state_) {
    case State::size:
      return read_size(c);
    case State::extension:
      return read_extension(c);
    case State::size_line_end:
      return end_size_line(c);
    default:
      return read_chunk_end(c);
  }
}

Parsed<void> BodyReader::read_size(char c) {
  constexpr std::uint8_t kMaxDigits = 15;  // far beyond any body, and never more than 64 bits
  if (const auto digit = hex_digit(c)) {
    if (++size_digits_ > kMaxDigits) {
      return malformed("a chunk size that is too large");
    }
    left_bytes_ = left_bytes_ * 16 + *digit;
    return {};
  }
  if (size_digits_ == 0 || (c != ';' && c != '\r')) {
    return malformed("a chunk size that is no number");
  }
  state_ = c == ';' ? State::extension : State::size_line_end;
  return {};
}

Parsed<void> BodyReader::read_extension(char c) {
  if (c == '\r') {
    state_ = State::size_line_end;
    return {};
  }
  const auto byte = static_cast<unsigned char>(c);
  if (++size_line_bytes_ > kMaxSizeLineBytes || (byte < 0x20 && c != '\t') || byte == 0x7f) {
    return malformed("a chunk extension that is too long or has control characters");
  }
  return {};
}

Parsed<void> BodyReader::end_size_line(char c) {
  if (c != '\n') {
    return malformed("a chunk size that does not end in CR LF");
  }
  state_ = left_bytes_ == 0 ? State::trailers : State::content;
  size_digits_ = 0;
  size_line_bytes_ = 0;
  return {};
}

Parsed<void> BodyReader::read_chunk_end(char c) {
  if (c != (has_cr_ ? '\n' : '\r')) {
    return malformed("a chunk that does not end in CR LF");
  }
  if (has_cr_) {
    state_ = State::size;
  }
  has_cr_ = !has_cr_;
  return {};
}

Parsed<void> BodyReader::read_trailers(std::span<const std::byte>& bytes) {
  const auto is_whole = trailer_lines_.feed(bytes);
  if (!is_whole) {
    return is_whole.error();
  }
  if (*is_whole) {
    std::string lines = trailer_lines_.take();
    state_ = State::done;
    return parse_trailers(lines, trailers_);
  }
  return {};
}

}  // namespace router::h1
