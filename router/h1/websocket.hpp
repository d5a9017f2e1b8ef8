// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The two fields by which WebSocket's handshake is proven in HTTP/1.1, and which it does not have
/// in HTTP/2 (RFC 8441 section 5): so they are made where one becomes the other.
namespace router::h1 {

/// The length of `sec-websocket-key`, which is 16 bytes in base64.
inline constexpr std::size_t kWebsocketKeyChars = 24;

/// `sec-websocket-key`: 16 bytes that are not the same each time. They keep no secret; they tell a
/// server that has read them from one that has not. Source: RFC 6455 section 4.1.
[[nodiscard]] std::string websocket_key(std::uint64_t entropy, std::uint64_t more_entropy);

/// `sec-websocket-accept` for that key. Source: RFC 6455 section 4.2.2.
[[nodiscard]] std::string websocket_accept(std::string_view key);

}  // namespace router::h1
