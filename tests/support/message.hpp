// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test {

struct Header {
  std::string name;
  std::string value;

  friend bool operator==(const Header&, const Header&) = default;
};

/// In the order in which they are on the wire.
using Headers = std::vector<Header>;

/// Value of the first header of this name (compared in lower case), or `nullopt`.
[[nodiscard]] std::optional<std::string> find(const Headers& headers, std::string_view name);
/// How many headers have this name.
[[nodiscard]] std::size_t count(const Headers& headers, std::string_view name);

/// What a client got for one request, as far as it has come.
struct Reply {
  int status = 0;    ///< 0 as long as no final head has come
  Headers headers;   ///< without `:status`
  std::string body;  ///< the first MiB of it
  std::uint64_t body_bytes = 0;
  Headers trailers;
  std::vector<Headers> informational;  ///< 1xx heads, each with its `:status`
  bool ended = false;                  ///< the whole reply has come
  std::optional<std::uint32_t>
      reset_code;  ///< HTTP/2 error code, if the stream was reset or its connection lost

  [[nodiscard]] std::optional<std::string> header(std::string_view name) const {
    return find(headers, name);
  }
  [[nodiscard]] std::optional<std::string> trailer(std::string_view name) const {
    return find(trailers, name);
  }
  /// `grpc-status` of the trailers, else (trailers-only) of the head; -1 if there is none.
  [[nodiscard]] int grpc_status() const;
  [[nodiscard]] std::string grpc_message() const;
};

/// The gRPC length-prefixed message (flag 0) that carries `payload`.
/// Source: gRPC over HTTP2, "Length-Prefixed-Message".
[[nodiscard]] std::string grpc_frame(std::string_view payload);
/// The payloads in `body`; an incomplete one at the end is left out.
[[nodiscard]] std::vector<std::string> grpc_payloads(std::string_view body);

}  // namespace test
