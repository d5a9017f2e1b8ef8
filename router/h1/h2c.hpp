// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <optional>
#include <string>
#include <string_view>

/// How an HTTP/1.1 connection becomes an HTTP/2 one. Source: RFC 7540 section 3.2.
namespace router::h1 {

inline constexpr std::string_view kSwitchToH2 =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";

/// The payload of SETTINGS that `http2-settings` carries in base64url. Nothing if there is not one
/// such field, or it is no such payload: then the connection must stay what it is.
[[nodiscard]] std::optional<std::string> h2c_settings(const HeaderList& fields);

}  // namespace router::h1
