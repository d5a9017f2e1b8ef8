// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/name_reader.hpp"

#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace router {
namespace {

constexpr std::size_t kMaxQuotedBytes = 100;  // of a caller's text that is repeated in an error

/// Takes text up to the next dot off the front of `rest`.
std::string_view next_label(std::string_view& rest) noexcept {
  const std::size_t dot = rest.find('.');
  const std::string_view label = rest.substr(0, dot);
  rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  return label;
}

bool is_dotted_labels(std::string_view host) noexcept {
  if (host.empty() || host.back() == '.') {
    return false;
  }
  while (!host.empty()) {
    if (!is_dns_label(next_label(host))) {
      return false;
    }
  }
  return true;
}

std::optional<boost::asio::ip::address> ip_literal(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  constexpr std::size_t kMaxAddressBytes = 45;  // of an IPv6 address with an IPv4 one in it
  if (host.size() > kMaxAddressBytes) {
    return std::nullopt;
  }
  std::array<char, kMaxAddressBytes + 1> text{};
  std::copy(host.begin(), host.end(), text.begin());
  boost::system::error_code failure;
  const auto address = boost::asio::ip::make_address(text.data(), failure);
  return failure ? std::nullopt : std::optional{address};
}

Failure bad_name(std::string_view name, std::string_view why) {
  return {Errc::bad_authority, fmt::format("{} {}", quoted(name), why)};
}

/// Splits `host[:port]`; the port is absent if it is empty (RFC 3986 section 3.2.3).
/// False: the port is none.
bool split_port(std::string_view name, std::string_view& host, std::optional<std::uint16_t>& port) {
  const std::size_t bracket = name.rfind(']');
  const std::size_t colon = name.find(':', bracket == std::string_view::npos ? 0 : bracket);
  host = name.substr(0, colon);
  const std::string_view digits =
      colon == std::string_view::npos ? std::string_view{} : name.substr(colon + 1);
  if (digits.empty()) {
    return true;
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  port = number;
  return error == std::errc{} && end == digits.data() + digits.size() && number != 0;
}

bool is_beyond_a_name(std::string_view host) noexcept {
  // An address has digits and dots only, or colons: never a Service's name, whose first label may
  // be digits but whose second is then a namespace.
  const bool is_numeric = std::all_of(
      host.begin(), host.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return host.empty() || host.size() > kMaxDnsNameBytes + 1 || host.front() == '[' ||
         (is_numeric && std::count(host.begin(), host.end(), '.') == 3);
}

Failure why_no_name(std::string_view name, std::string_view host) {
  if (host.empty()) {
    return name.empty() ? Failure{Errc::bad_authority, "the authority is empty"}
                        : bad_name(name, "has no name before its port");
  }
  if (host.size() > kMaxDnsNameBytes + 1) {
    return bad_name(name, "is longer than a DNS name's 253 bytes");
  }
  return bad_name(name, "is no IP address");
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string result{"\""};
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    result += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  }
  result += text.size() > kMaxQuotedBytes ? "…\"" : "\"";
  return result;
}

std::optional<Failure> NameReader::read(std::string_view name, Target& target) {
  std::string_view host;
  const bool port_is_good = split_port(name, host, target.port);
  if (name.find('@') != std::string_view::npos) {
    return bad_name(name, "holds user information");
  }
  const bool is_beyond = is_beyond_a_name(host);
  const auto address = is_beyond ? ip_literal(host) : std::nullopt;
  if (is_beyond && !address) {
    return why_no_name(name, host);
  }
  if (!port_is_good) {
    return bad_name(name, "has no valid port: a number from 1 to 65535 is expected");
  }
  if (address) {
    take_address(*address, target);
    return std::nullopt;
  }
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  const auto end = std::transform(host.begin(), host.end(), buffer_.begin(), to_lower);
  host = {buffer_.data(), static_cast<std::size_t>(std::distance(buffer_.begin(), end))};
  if (!is_dotted_labels(host)) {
    return bad_name(name, "is no DNS name");
  }
  if (host.size() > kMaxDnsNameBytes) {
    return bad_name(name, "is longer than a DNS name's 253 bytes");
  }
  if (host.find('.') == std::string_view::npos) {
    target.service = host;
    return complete_short_name(target);
  }
  buffer_[host.size()] = '.';
  target.absolute = {buffer_.data(), host.size() + 1};
  take_apart(host, target);
  return std::nullopt;
}

void NameReader::take_address(const boost::asio::ip::address& address, Target& target) const {
  const auto found = snapshot_.cluster_ips->find(address);
  if (found == snapshot_.cluster_ips->end()) {
    target.address = address;
    return;
  }
  target.key = found->second;
  std::string_view rest = target.key;
  target.service = next_label(rest);
  target.namespace_ = rest;
}

void NameReader::take_apart(std::string_view host, Target& target) const {
  std::string_view rest = host;
  target.service = next_label(rest);
  target.namespace_ = next_label(rest);
  target.key = host.substr(0, target.service.size() + 1 + target.namespace_.size());
  if (is_kind_or_end(rest)) {
    return;
  }
  // One label more: `pod-0.svc.ns`.
  target.hostname = std::exchange(target.service, target.namespace_);
  target.namespace_ = next_label(rest);
  target.key =
      host.substr(target.hostname.size() + 1, target.service.size() + 1 + target.namespace_.size());
  if (!is_kind_or_end(rest)) {
    target.key = {};
  }
}

/// Whether `rest` is what may follow the namespace: nothing, `svc`, `svc.<cluster domain>`.
bool NameReader::is_kind_or_end(std::string_view rest) const {
  if (rest.empty()) {
    return true;
  }
  return next_label(rest) == "svc" && (rest.empty() || rest == snapshot_.cluster_domain);
}

std::optional<Failure> NameReader::complete_short_name(Target& target) {
  target.is_short = true;
  target.namespace_ = home_namespace_;
  const std::size_t size = target.service.size() + 1 + target.namespace_.size();
  if (target.namespace_.size() > kMaxDnsLabelBytes) {
    return Failure{Errc::unknown_service, "the caller's namespace is no namespace's name"};
  }
  char* end = buffer_.data() + target.service.size();
  *end++ = '.';
  std::copy(target.namespace_.begin(), target.namespace_.end(), end);
  target.key = {buffer_.data(), size};
  return std::nullopt;
}

}  // namespace router
