// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace router::cli {

/// Why a running router did not answer: one line.
struct NoAnswer {
  std::string line;
  int status = 0;  ///< of HTTP, if it did answer, but not with 200
};

/// Where an admin endpoint is.
struct AdminUrl {
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::uint16_t port = 0;

  friend bool operator==(const AdminUrl&, const AdminUrl&) = default;
};

/// `http://HOST[:PORT]`, with or without a slash at its end, port 80 unless given; nothing if the
/// text is something else. Source: RFC 3986 section 3.2.
[[nodiscard]] std::optional<AdminUrl> parse_admin_url(std::string_view text);

/// What to say of a text that is none.
[[nodiscard]] std::string no_admin_url(std::string_view text);

/// GET of a path at the admin endpoint `url`, such as `http://127.0.0.1:9990`, with query
/// parameters (empty ones are left out). Waits a few seconds at most. The answer's body if its
/// status is 200.
[[nodiscard]] std::variant<std::string, NoAnswer> ask_admin(
    const std::string& url,
    const std::string& path,
    const std::map<std::string, std::string>& parameters);

/// Whether somebody accepts a TCP connection there within a few seconds. `host` as in AdminUrl.
[[nodiscard]] bool takes_connections(const std::string& host, std::uint16_t port);

}  // namespace router::cli
