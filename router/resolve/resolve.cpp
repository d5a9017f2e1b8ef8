// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/resolve.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace router {
namespace {

constexpr std::size_t kMaxNameBytes = 253;  // RFC 1035 section 2.3.4, without the trailing dot
constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::size_t kMaxQuotedBytes = 100;  // of a caller's text that is repeated in an error
constexpr std::uint16_t kHttpPort = 80;

/// A name whose form is that of a Service's, and the port behind it.
struct Target {
  std::string_view service;     ///< first label
  std::string_view namespace_;  ///< second label, or the default
  std::string_view key;         ///< `name.namespace`, as the snapshot has it
  std::string_view hostname;    ///< of a headless Service's pod; "" if none is named
  std::optional<std::uint16_t> port;
  bool is_short = false;  ///< the caller named no namespace
};

struct Failure {
  Errc error;
  std::string detail;
};

Resolution failed(Failure failure) {
  return {.service = nullptr,
          .port = nullptr,
          .endpoint = nullptr,
          .detail = std::move(failure.detail),
          .error = failure.error};
}

/// The caller's text, bounded, and harmless in a log line or a header field.
std::string quoted(std::string_view text) {
  std::string result{"\""};
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    result += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  }
  result += text.size() > kMaxQuotedBytes ? "…\"" : "\"";
  return result;
}

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// RFC 1123, since Kubernetes takes it for namespaces and, with RelaxedServiceNameValidation, for
/// Services; DNS-1035 names are all among them.
bool is_label(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxLabelBytes && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '-';
         });
}

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
    if (!is_label(next_label(host))) {
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

/// Reads names into a buffer of its own, so that a request's path allocates nothing.
class NameReader {
 public:
  NameReader(const Snapshot& snapshot, std::string_view home_namespace) noexcept
      : snapshot_{snapshot}, home_namespace_{home_namespace} {}

  /// The target's views last as long as the reader and the snapshot.
  [[nodiscard]] std::optional<Failure> read(std::string_view name, Target& target) {
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
      return take_cluster_ip(name, *address, target);
    }
    if (host.ends_with('.')) {
      host.remove_suffix(1);
    }
    const auto end = std::transform(host.begin(), host.end(), buffer_.begin(), lower);
    host = {buffer_.data(), static_cast<std::size_t>(std::distance(buffer_.begin(), end))};
    if (!is_dotted_labels(host)) {
      return bad_name(name, "is no DNS name");
    }
    return take_apart(name, host, target);
  }

 private:
  static bool is_beyond_a_name(std::string_view host) noexcept {
    // An address has digits and dots only, or colons: never a Service's name, whose first label may
    // be digits but whose second is then a namespace.
    const bool is_numeric = std::all_of(
        host.begin(), host.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
    return host.empty() || host.size() > kMaxNameBytes + 1 || host.front() == '[' ||
           (is_numeric && std::count(host.begin(), host.end(), '.') == 3);
  }

  static Failure why_no_name(std::string_view name, std::string_view host) {
    if (host.empty()) {
      return name.empty() ? Failure{Errc::bad_authority, "the authority is empty"}
                          : bad_name(name, "has no name before its port");
    }
    if (host.size() > kMaxNameBytes + 1) {
      return bad_name(name, "is longer than a DNS name's 253 bytes");
    }
    return bad_name(name, "is no IP address");
  }

  [[nodiscard]] std::optional<Failure> take_cluster_ip(std::string_view name,
                                                       const boost::asio::ip::address& address,
                                                       Target& target) const {
    const auto found = snapshot_.cluster_ips->find(address);
    if (found == snapshot_.cluster_ips->end()) {
      return Failure{Errc::unknown_service,
                     fmt::format("{} is no Service's ClusterIP", quoted(name))};
    }
    target.key = found->second;
    std::string_view rest = target.key;
    target.service = next_label(rest);
    target.namespace_ = rest;
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Failure> take_apart(std::string_view name,
                                                  std::string_view host,
                                                  Target& target) {
    if (host.size() > kMaxNameBytes) {
      return bad_name(name, "is longer than a DNS name's 253 bytes");
    }
    std::string_view rest = host;
    target.service = next_label(rest);
    if (rest.empty()) {
      return complete_short_name(target);
    }
    target.namespace_ = next_label(rest);
    target.key = host.substr(0, target.service.size() + 1 + target.namespace_.size());
    if (is_kind_or_end(rest)) {
      return std::nullopt;
    }
    // One label more: `pod-0.svc.ns`.
    target.hostname = std::exchange(target.service, target.namespace_);
    target.namespace_ = next_label(rest);
    target.key = host.substr(target.hostname.size() + 1,
                             target.service.size() + 1 + target.namespace_.size());
    if (is_kind_or_end(rest)) {
      return std::nullopt;
    }
    return Failure{
        Errc::unknown_service,
        fmt::format(
            "{} is not of the form [pod.]name.namespace[.svc[.{}]]; no other names are served",
            quoted(name),
            snapshot_.cluster_domain)};
  }

  /// Whether `rest` is what may follow the namespace: nothing, `svc`, `svc.<cluster domain>`.
  [[nodiscard]] bool is_kind_or_end(std::string_view rest) const {
    if (rest.empty()) {
      return true;
    }
    return next_label(rest) == "svc" && (rest.empty() || rest == snapshot_.cluster_domain);
  }

  [[nodiscard]] std::optional<Failure> complete_short_name(Target& target) {
    target.is_short = true;
    target.namespace_ = home_namespace_;
    const std::size_t size = target.service.size() + 1 + target.namespace_.size();
    if (target.namespace_.size() > kMaxLabelBytes) {
      return Failure{Errc::unknown_service, "the caller's namespace is no namespace's name"};
    }
    char* end = buffer_.data() + target.service.size();
    *end++ = '.';
    std::copy(target.namespace_.begin(), target.namespace_.end(), end);
    target.key = {buffer_.data(), size};
    return std::nullopt;
  }

  const Snapshot& snapshot_;
  std::string_view home_namespace_;
  std::array<char, kMaxNameBytes + 1> buffer_{};
};

Failure unknown_service(const Target& target) {
  return {Errc::unknown_service,
          fmt::format("no Service {} in namespace {}{}",
                      quoted(target.service),
                      quoted(target.namespace_),
                      target.is_short ? ", where short names are looked up" : "")};
}

std::string list_of_ports(const Service& service) {
  if (service.ports.empty()) {
    return "it has no TCP port";
  }
  std::string list{"it has"};
  for (const ServicePort& port : service.ports) {
    list += fmt::format("{} {}", &port == service.ports.data() ? "" : ",", port.number);
    list += port.name.empty() ? "" : fmt::format(" ({})", port.name);
  }
  return list;
}

Failure unknown_port(const Target& target, const Service& service) {
  if (target.port) {
    return {Errc::unknown_port,
            fmt::format("{} has no port {}: {}", target.key, *target.port, list_of_ports(service))};
  }
  return {Errc::unknown_port,
          fmt::format("{} needs a port (name:port), none of its ports fits by itself: {}",
                      target.key,
                      list_of_ports(service))};
}

Failure tls_port(const Target& target, const ServicePort& port) {
  return {Errc::unknown_port,
          fmt::format("port {} of {} asks for TLS to its pods, which is not spoken; if they take "
                      "plain text, set upstreamProtocol to h2c or http1 in the configuration",
                      port.number,
                      target.key)};
}

Failure no_such_pod(const Target& target, const Service& service) {
  return {Errc::unknown_service,
          service.headless
              ? fmt::format("{} has no ready pod {}", target.key, quoted(target.hostname))
              : fmt::format("{} is not headless, so that its pods have no names", target.key)};
}

const Endpoint* find_pod(const ServicePort& port, std::string_view hostname) noexcept {
  const auto found = std::find_if(
      port.endpoints.begin(), port.endpoints.end(), [hostname](const Endpoint& endpoint) {
        return endpoint.hostname == hostname;
      });
  return found == port.endpoints.end() ? nullptr : &*found;
}

const ServicePort* find_number(const Service& service, std::uint16_t number) noexcept {
  const auto found = std::find_if(service.ports.begin(),
                                  service.ports.end(),
                                  [number](const ServicePort& p) { return p.number == number; });
  return found == service.ports.end() ? nullptr : &*found;
}

/// The ports of which one of the `names_…` flags holds.
struct Fitting {
  const ServicePort* first = nullptr;
  std::size_t count = 0;
};

Fitting find_fitting(const Service& service, bool ServicePort::*names) noexcept {
  Fitting fitting;
  for (const ServicePort& port : service.ports) {
    if (port.*names && fitting.count++ == 0) {
      fitting.first = &port;
    }
  }
  return fitting;
}

/// Null if no port fits, or several do equally well.
const ServicePort* find_fitting(const Service& service, CallerProtocol caller) noexcept {
  const bool is_http1 = caller == CallerProtocol::http1;
  Fitting fitting =
      find_fitting(service, is_http1 ? &ServicePort::names_http : &ServicePort::names_h2);
  // Plain HTTP/2 can be had from an HTTP/1.1 port too; gRPC cannot, for want of trailers.
  if (fitting.count == 0 && caller == CallerProtocol::h2) {
    fitting = find_fitting(service, &ServicePort::names_http);
  }
  return fitting.count == 1 ? fitting.first : nullptr;
}

const ServicePort* choose_port(const Service& service,
                               std::optional<std::uint16_t> number,
                               CallerProtocol caller) noexcept {
  if (number) {
    return find_number(service, *number);
  }
  if (service.ports.size() == 1) {
    return service.ports.data();
  }
  const ServicePort* port = find_fitting(service, caller);
  return port != nullptr ? port : find_number(service, kHttpPort);
}

}  // namespace

bool is_short_name(std::string_view name) noexcept {
  std::string_view host = name.substr(0, name.find(':'));
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return host.find('.') == std::string_view::npos && !host.starts_with('[');
}

Resolution resolve(const Snapshot& snapshot,
                   std::string_view name,
                   std::string_view home_namespace,
                   CallerProtocol caller) {
  NameReader reader{snapshot, home_namespace};
  Target target;
  if (std::optional<Failure> failure = reader.read(name, target)) {
    return failed(std::move(*failure));
  }
  const auto found = snapshot.services.find(target.key);
  if (found == snapshot.services.end()) {
    return failed(unknown_service(target));
  }
  const Service& service = *found->second;
  const ServicePort* port = choose_port(service, target.port, caller);
  if (port == nullptr) {
    return failed(unknown_port(target, service));
  }
  if (port->protocol == UpstreamProtocol::tls) {
    return failed(tls_port(target, *port));
  }
  Resolution resolution;
  if (!target.hostname.empty()) {
    resolution.endpoint = service.headless ? find_pod(*port, target.hostname) : nullptr;
    if (resolution.endpoint == nullptr) {
      return failed(no_such_pod(target, service));
    }
  }
  resolution.service = &service;
  resolution.port = port;
  return resolution;
}

}  // namespace router
