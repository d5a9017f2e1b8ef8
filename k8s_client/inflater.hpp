// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <cstddef>
#include <memory>
#include <string>

struct z_stream_s;  // zlib's, whose header is not needed here

namespace k8s_client {

/// Decodes gzip, of any number of members and wherever the chunks are split.
///
/// Holds the chunk that was fed last, 32 KiB of history, and nothing of what has come out: however
/// much a few bytes stand for, it is handed on in parts. Source: RFC 1952 section 2.2.
class Inflater {
 public:
  static constexpr std::size_t kMaxPartBytes = std::size_t{16} * 1024;  ///< of what comes out

  Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() = default;

  /// The next chunk. What is left of the one before is dropped, so `next` must have said "".
  void feed(std::string chunk);

  /// The next part of the text; "" if more must be fed first. `malformed_reply`: not gzip; the
  /// stream is of no use then.
  [[nodiscard]] Result<std::string> next();

  /// Whether the text may end here: no member is under way.
  [[nodiscard]] bool is_between_members() const noexcept { return is_between_members_; }

 private:
  struct End {
    void operator()(z_stream_s* stream) const noexcept;
  };

  std::unique_ptr<z_stream_s, End> stream_;
  std::string chunk_;
  bool is_between_members_ = true;
};

}  // namespace k8s_client
