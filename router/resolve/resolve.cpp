// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/resolve.hpp"

#include "router/resolve/name_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace router {
namespace {

constexpr std::uint16_t kHttpPort = 80;

Resolution failed(Failure failure) {
  return {.service = nullptr,
          .port = nullptr,
          .endpoint = nullptr,
          .detail = std::move(failure.detail),
          .error = failure.error};
}

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
