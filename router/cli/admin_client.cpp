// SPDX-License-Identifier: Apache-2.0
#include "router/cli/admin_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <charconv>
#include <chrono>
#include <system_error>

#include <fmt/format.h>
#include <httplib.h>

namespace router::cli {
namespace {

constexpr std::chrono::seconds kConnectTimeout{3};
constexpr std::chrono::seconds kAnswerTimeout{
    10};  // the router itself waits a second for its slowest worker

std::string first_line(const std::string& body) {
  return body.substr(0, body.find('\n'));
}

bool is_ipv6(const std::string& text) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

bool is_name_or_ipv4(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
}

/// Of `:PORT`; 80 where there is nothing.
std::optional<std::uint16_t> parse_port(std::string_view text) {
  constexpr std::uint16_t kHttp = 80;
  if (text.empty()) {
    return kHttp;
  }
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data() + 1, end, port);
  const bool is_port = text.front() == ':' && failed == std::errc{} && stop == end && port > 0;
  return is_port ? std::optional{port} : std::nullopt;
}

}  // namespace

std::optional<AdminUrl> parse_admin_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) {
    return std::nullopt;
  }
  text.remove_prefix(kScheme.size());
  if (text.ends_with('/')) {
    text.remove_suffix(1);
  }
  const bool has_brackets = text.starts_with('[');
  const std::size_t host_end =
      has_brackets ? text.find(']') : std::min(text.find(':'), text.size());
  if (host_end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t skipped = has_brackets ? 1 : 0;
  AdminUrl url{.host = std::string{text.substr(skipped, host_end - skipped)}, .port = 0};
  const auto port = parse_port(text.substr(host_end + skipped));
  if (!port || !(has_brackets ? is_ipv6(url.host) : is_name_or_ipv4(url.host))) {
    return std::nullopt;
  }
  url.port = *port;
  return url;
}

std::string no_admin_url(std::string_view text) {
  return fmt::format("'{}' is no URL such as http://127.0.0.1:9990", text);
}

std::variant<std::string, NoAnswer> ask_admin(
    const std::string& url,
    const std::string& path,
    const std::map<std::string, std::string>& parameters) {
  const std::optional<AdminUrl> parsed = parse_admin_url(url);
  if (!parsed) {
    return NoAnswer{"--admin: " + no_admin_url(url)};
  }
  httplib::Client client{parsed->host, parsed->port};
  client.set_connection_timeout(kConnectTimeout);
  client.set_read_timeout(kAnswerTimeout);
  httplib::Params params;
  for (const auto& [name, value] : parameters) {
    if (!value.empty()) {
      params.emplace(name, value);
    }
  }
  const httplib::Result answer = client.Get(path, params, httplib::Headers{});
  if (!answer) {
    const bool is_unreachable = answer.error() == httplib::Error::Connection;
    return NoAnswer{fmt::format("{} {}: is nodeway running there? (--admin URL)",
                                is_unreachable ? "cannot connect to" : "no answer from",
                                url)};
  }
  if (answer->status != 200) {
    return NoAnswer{fmt::format("{} says {}: {}", url, answer->status, first_line(answer->body)),
                    answer->status};
  }
  return answer->body;
}

bool takes_connections(const std::string& host, std::uint16_t port) {
  httplib::Client client{host, port};
  client.set_connection_timeout(kConnectTimeout);
  client.set_read_timeout(kAnswerTimeout);
  // Any answer will do, also one that is no HTTP.
  const httplib::Result answer = client.Get("/");
  return answer || (answer.error() != httplib::Error::Connection &&
                    answer.error() != httplib::Error::ConnectionTimeout);
}

}  // namespace router::cli
