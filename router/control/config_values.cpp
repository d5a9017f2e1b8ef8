// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_values.hpp"

#include "router/resolve/dns_name.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <fmt/format.h>

namespace router::control {
namespace {

/// From 1 to 65535, without leading zeros.
std::optional<std::uint16_t> parse_port(std::string_view digits) {
  const char* const last = digits.data() + digits.size();
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), last, port);
  const bool is_good = error == std::errc{} && end == last && !digits.starts_with('0');
  return is_good ? std::optional{port} : std::nullopt;
}

std::optional<std::uint16_t> parse_http_status(std::string_view digits) {
  const char* const last = digits.data() + digits.size();
  std::uint16_t status = 0;
  const auto [end, error] = std::from_chars(digits.data(), last, status);
  const bool is_good = error == std::errc{} && end == last &&
                       status >= ReplyClass::kMinHttpStatus && status <= ReplyClass::kMaxHttpStatus;
  return is_good ? std::optional{status} : std::nullopt;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<AddressRange> parse_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  boost::system::error_code failure;
  const auto base = boost::asio::ip::make_address(std::string{text.substr(0, slash)}, failure);
  const std::uint8_t all_bits = base.is_v4() ? 32 : 128;
  AddressRange range{.base = base, .prefix_bits = all_bits};
  if (failure || slash == std::string_view::npos) {
    return failure ? std::nullopt : std::optional{range};
  }
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + slash + 1, last, range.prefix_bits);
  if (error != std::errc{} || end != last || range.prefix_bits > all_bits) {
    return std::nullopt;
  }
  const bool has_more_bits =
      base.is_v4() ? boost::asio::ip::make_network_v4(base.to_v4(), range.prefix_bits).network() !=
                         base.to_v4()
                   : boost::asio::ip::make_network_v6(base.to_v6(), range.prefix_bits).network() !=
                         base.to_v6();
  return has_more_bits ? std::nullopt : std::optional{range};
}

ServiceKey parse_service_key(std::string_view key) {
  ServiceKey result;
  const std::size_t colon = key.find(':');
  const std::string_view name = key.substr(0, colon);
  if (colon != std::string_view::npos) {
    result.port = parse_port(key.substr(colon + 1));
    if (!result.port) {
      result.problem = "has no port from 1 to 65535 after the colon";
    }
  }
  const std::vector<std::string_view> labels = split(name, '.');
  if (!std::all_of(labels.begin(), labels.end(), is_dns_label)) {
    result.problem = "is no name of a Service: lower-case letters, digits and - are expected";
  } else if (labels.size() == 1) {
    result.problem = fmt::format("lacks the namespace, as in {}.default", name);
  } else if (labels.size() > 2) {
    result.problem = fmt::format("is too long a name: {}.{} is enough", labels[0], labels[1]);
  }
  result.service = name;
  return result;
}

bool is_node_name(std::string_view text) {
  const std::vector<std::string_view> labels = split(text, '.');
  return text.size() <= kMaxDnsNameBytes && std::all_of(labels.begin(), labels.end(), is_dns_label);
}

bool is_zone_name(std::string_view text) {
  static constexpr std::string_view kBytes =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  static constexpr std::string_view kNotAtItsEnds = "-_.";
  return !text.empty() && text.size() <= kMaxZoneNameBytes &&
         text.find_first_not_of(kBytes) == std::string_view::npos &&
         kNotAtItsEnds.find(text.front()) == std::string_view::npos &&
         kNotAtItsEnds.find(text.back()) == std::string_view::npos;
}

std::optional<ExternalName> parse_external_name(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto port = colon == std::string_view::npos ? std::optional{ExternalName::kDefaultPort}
                                                    : parse_port(text.substr(colon + 1));
  const std::vector<std::string_view> labels = split(name, '.');
  const bool is_name = name.size() <= kMaxDnsNameBytes && labels.size() > 1 &&
                       std::all_of(labels.begin(), labels.end(), is_dns_label);
  const bool is_numeric = labels.back().find_first_not_of("0123456789") == std::string_view::npos;
  if (!port || !is_name || is_numeric) {
    return std::nullopt;
  }
  return ExternalName{.name = std::string{name}, .port = *port};
}

std::optional<ReplyClass::HttpStatuses> parse_http_statuses(std::string_view text) {
  ReplyClass::HttpStatuses statuses;
  if (text.empty()) {
    return statuses;
  }
  for (std::string_view part : split(text, ',')) {
    part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
    const std::size_t dash = std::min(part.find('-'), part.size());
    const auto first = parse_http_status(part.substr(0, dash));
    const auto last = dash == part.size() ? first : parse_http_status(part.substr(dash + 1));
    if (!first || !last || *first > *last) {
      return std::nullopt;
    }
    add_range(statuses, *first, *last);
  }
  return statuses;
}

}  // namespace router::control
