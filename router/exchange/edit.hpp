// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/exchange/headers.hpp"

#include <string_view>

/// The header fields that nodeway adds, removes or rewrites; docs/headers.md is the table.
/// Everything else passes as it came.
namespace router {

/// What our entry of `via` begins with: the protocol of the hop, HTTP/2.
inline constexpr std::string_view kViaProtocol = "2 ";

/// Removes what ends at this hop and adds our entry to `via`.
///
/// Source: RFC 9110 sections 7.6.1 (Connection) and 7.6.3 (Via); RFC 9113 section 8.2.2.
void edit_request(RequestHead& head, std::string_view via_entry);

/// Removes what ends at this hop, and `nodeway-error`, which only we may say.
void edit_reply(HeaderList& fields);

/// Whether `via` names us already, by the name that is unique to this process.
[[nodiscard]] bool has_looped(const HeaderList& fields, std::string_view name);

}  // namespace router
