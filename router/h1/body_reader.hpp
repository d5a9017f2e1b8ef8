// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"
#include "router/h1/fields.hpp"
#include "router/h1/head.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace router::h1 {

/// Finds the end of one body, and what in it is content. Without I/O: driven by a connection or a
/// test alike.
///
///     length:       content --> done
///     chunked:      size --> [extension] --> content --> end of chunk --> size ...  (size 0) -->
///     trailers --> done until_close:  content, for ever
///
/// Chunk extensions are dropped. Source: RFC 9112 sections 6 and 7.1.
class BodyReader {
 public:
  /// Bound on a chunk's size line with its extension: no known sender uses any, so this is for the
  /// odd one.
  static constexpr std::size_t kMaxSizeLineBytes = 1024;

  BodyReader() = default;
  explicit BodyReader(const Framing& framing) noexcept;

  /// Takes bytes from the front of `bytes`; the answer is the content that was in them, a part of
  /// `bytes`, maybe empty. Call it until `bytes` is empty or the body complete; what follows the
  /// body is left in `bytes`.
  [[nodiscard]] Parsed<std::span<const std::byte>> read(std::span<const std::byte>& bytes);
  /// True from the start for a body of no bytes. Never for `until_close`.
  [[nodiscard]] bool is_complete() const noexcept { return state_ == State::done; }
  /// What has come of trailers that are not whole.
  [[nodiscard]] std::size_t partial_bytes() const noexcept {
    return trailer_lines_.partial().size();
  }
  /// The trailers of a complete body; often empty.
  [[nodiscard]] HeaderList& trailers() noexcept { return trailers_; }

 private:
  enum class State : std::uint8_t {
    content,
    until_close,
    size,
    extension,
    size_line_end,
    chunk_end,
    trailers,
    done
  };

  std::span<const std::byte> take_content(std::span<const std::byte>& bytes);
  [[nodiscard]] Parsed<void> read_framing(std::span<const std::byte>& bytes);
  [[nodiscard]] Parsed<void> read_size(char c);
  [[nodiscard]] Parsed<void> read_extension(char c);
  [[nodiscard]] Parsed<void> end_size_line(char c);
  [[nodiscard]] Parsed<void> read_chunk_end(char c);
  [[nodiscard]] Parsed<void> read_trailers(std::span<const std::byte>& bytes);

  State state_ = State::done;
  bool is_chunked_ = false;
  bool has_cr_ = false;  ///< of the CR LF behind a chunk
  std::uint8_t size_digits_ = 0;
  std::size_t size_line_bytes_ = 0;
  std::uint64_t left_bytes_ = 0;  ///< of the body, or of the chunk
  LineBlock trailer_lines_{LineBlock::LeadingEmptyLine::ends};
  HeaderList trailers_;
};

}  // namespace router::h1
