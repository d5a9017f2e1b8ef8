// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/integration/one_service.hpp"
#include "tests/support/raw_h2.hpp"

namespace test {

/// Error codes of RFC 9113 section 7.
inline constexpr std::uint32_t kProtocolError = 1;
inline constexpr std::uint32_t kFlowControlError = 3;
inline constexpr std::uint32_t kStreamClosed = 5;
inline constexpr std::uint32_t kFrameSizeError = 6;
inline constexpr std::uint32_t kCompressionError = 9;

/// A router with one Service whose requests are held, and a raw connection to its listener after
/// the handshake.
struct Listener {
  Listener() { raw.shake_hands(); }

  OneService path{always({.body = "ok", .held = true})};
  RawH2 raw{path.router.listen_port()};
};

/// A request that the Service answers.
[[nodiscard]] inline Headers good_request() {
  return request_headers("POST", "cart.shop", "/");
}

}  // namespace test
