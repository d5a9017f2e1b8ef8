// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/resolve.hpp"

#include "router/resolve/name_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace router {
namespace {

constexpr std::uint16_t kHttpPort = 80;

Resolution failed(Failure failure) {
  return {.service = nullptr,
          .port = nullptr,
          .endpoint = std::nullopt,
          .detail = std::move(failure.detail),
          .error = failure.error};
}

Failure unknown_service(const Snapshot& snapshot, std::string_view name, const Target& target) {
  if (target.key.empty()) {
    return {Errc::unknown_service,
            fmt::format("{} is not of the form [pod.]name.namespace[.svc[.{}]], and not among the "
                        "externalNames of the configuration",
                        quoted(name),
                        snapshot.cluster_domain)};
  }
  std::string_view hint;
  if (target.is_short) {
    hint = ", where short names are looked up";
  } else if (!target.hostname.empty()) {
    hint = ", nor is the name among the externalNames of the configuration";
  }
  return {Errc::unknown_service,
          fmt::format("no Service {} in namespace {}{}",
                      quoted(target.service),
                      quoted(target.namespace_),
                      hint)};
}

/// As errors have it.
std::string name_of(const Service& service) {
  return service.namespace_.empty() ? service.name : service.name + "." + service.namespace_;
}

Failure not_allowed(const Service& service) {
  return {Errc::unknown_service,
          fmt::format("{} is of type ExternalName, and the externalNames of the configuration do "
                      "not have {}",
                      name_of(service),
                      quoted(service.external_name))};
}

/// A port by the number that callers know it by.
struct KnownPort {
  const ServicePort* port = nullptr;
  std::uint16_t number = 0;
};

/// Ports that have something in common.
struct KnownPorts {
  KnownPort first;
  std::size_t count = 0;

  void see(const KnownPort& port) noexcept { first = count++ == 0 ? port : first; }
  [[nodiscard]] KnownPort only() const noexcept { return count == 1 ? first : KnownPort{}; }
};

/// The choice between the ports that there are: the wanted one; if none is wanted the only one,
/// else the one that fits the caller, else 80.
class PortChoice {
 public:
  PortChoice(std::optional<std::uint16_t> wanted, CallerProtocol caller) noexcept
      : wanted_{wanted}, caller_{caller} {}

  void see(const KnownPort& port) noexcept {
    all_.see(port);
    if (port.port->names_h2) {
      h2_.see(port);
    }
    if (port.port->names_http) {
      http_.see(port);
    }
    if (port.number == wanted_.value_or(kHttpPort)) {
      numbered_.see(port);
    }
  }

  /// Its `port` is null if there is none, or several fit equally well.
  [[nodiscard]] KnownPort chosen() const noexcept {
    if (wanted_ || all_.count == 1) {
      return wanted_ ? numbered_.first : all_.first;
    }
    const KnownPort fitting = fitting_ports().only();
    return fitting.port != nullptr ? fitting : numbered_.first;
  }

 private:
  [[nodiscard]] const KnownPorts& fitting_ports() const noexcept {
    // Plain HTTP/2 can be had from an HTTP/1.1 port too; gRPC cannot, for want of trailers.
    const bool takes_http1 =
        caller_ == CallerProtocol::http1 || (caller_ == CallerProtocol::h2 && h2_.count == 0);
    return takes_http1 ? http_ : h2_;
  }

  std::optional<std::uint16_t> wanted_;
  CallerProtocol caller_;
  KnownPorts all_;
  KnownPorts h2_;
  KnownPorts http_;
  KnownPorts numbered_;
};

/// `of`: whose ports they are. `list`: ` 80 (http), 81`; "" if there are none.
Failure unknown_port(std::string_view of,
                     std::optional<std::uint16_t> wanted,
                     const std::string& list) {
  const std::string all = list.empty() ? "it has no TCP port" : "it has" + list;
  return {Errc::unknown_port,
          wanted
              ? fmt::format("{} has no port {}: {}", of, *wanted, all)
              : fmt::format(
                    "{} needs a port (name:port), none of its ports fits by itself: {}", of, all)};
}

Failure unknown_port(const Target& target, const Service& service) {
  std::string list;
  for (const ServicePort& port : service.ports) {
    list += fmt::format("{} {}", list.empty() ? "" : ",", port.number);
    list += port.name.empty() ? "" : fmt::format(" ({})", port.name);
  }
  return unknown_port(name_of(service), target.port, list);
}

Failure tls_port(const Service& service, const ServicePort& port) {
  return {
      Errc::unknown_port,
      fmt::format("port {} of {}.{} asks for TLS to its pods, which is not spoken; if they take "
                  "plain text, set upstreamProtocol to h2c or http1 in the configuration",
                  port.number,
                  service.name,
                  service.namespace_)};
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

Resolution found(const Service& service, const ServicePort& port) {
  if (port.protocol == UpstreamProtocol::tls) {
    return failed(tls_port(service, port));
  }
  Resolution resolution;
  resolution.service = &service;
  resolution.port = &port;
  return resolution;
}

Resolution resolve_service(const Service& service, const Target& target, CallerProtocol caller) {
  if (!service.external_name.empty() && service.ports.empty()) {
    return failed(not_allowed(service));
  }
  PortChoice choice{target.port, caller};
  for (const ServicePort& port : service.ports) {
    choice.see({.port = &port, .number = port.number});
  }
  const ServicePort* const port = choice.chosen().port;
  if (port == nullptr) {
    return failed(unknown_port(target, service));
  }
  Resolution resolution = found(service, *port);
  if (resolution.port != nullptr && !target.hostname.empty()) {
    const Endpoint* const pod = service.headless ? find_pod(*port, target.hostname) : nullptr;
    if (pod == nullptr) {
      return failed(no_such_pod(target, service));
    }
    resolution.endpoint = pod->address;
  }
  return resolution;
}

const ServicePort& service_port(const Snapshot& snapshot, ClusterId id) noexcept {
  const Service& service = *snapshot.services.with_port(id);
  return *std::find_if(service.ports.begin(), service.ports.end(), [id](const ServicePort& port) {
    return port.id == id;
  });
}

/// Of several Service ports with the same number of a pod, the first one alone.
template <class Visit>
void for_each_number(std::span<const PodPort> ports, const Visit& visit) {
  const PodPort* before = nullptr;
  for (const PodPort& port : ports) {
    if (before == nullptr || before->number != port.number) {
      visit(port);
    }
    before = &port;
  }
}

Failure unknown_port(const Snapshot& snapshot,
                     const Target& target,
                     std::span<const PodPort> ports) {
  std::string list;
  for_each_number(ports, [&](const PodPort& port) {
    const Service& service = *snapshot.services.with_port(port.cluster);
    list += fmt::format(
        "{} {} ({}.{})", list.empty() ? "" : ",", port.number, service.name, service.namespace_);
  });
  return unknown_port(target.address->to_string(), target.port, list);
}

Resolution resolve_address(const Snapshot& snapshot, const Target& target, CallerProtocol caller) {
  const std::span<const PodPort> ports = snapshot.pod_ports->find(*target.address);
  if (ports.empty()) {
    return failed({Errc::unknown_service,
                   fmt::format("{} is no Service's ClusterIP, and in no Service's EndpointSlices",
                               target.address->to_string())});
  }
  PortChoice choice{target.port, caller};
  for_each_number(ports, [&](const PodPort& port) {
    choice.see({.port = &service_port(snapshot, port.cluster), .number = port.number});
  });
  const KnownPort chosen = choice.chosen();
  if (chosen.port == nullptr) {
    return failed(unknown_port(snapshot, target, ports));
  }
  Resolution resolution = found(*snapshot.services.with_port(chosen.port->id), *chosen.port);
  PodPort named = ports.front();
  named.number = chosen.number;
  resolution.endpoint = named.endpoint();
  return resolution;
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
  if (target.address) {
    return resolve_address(snapshot, target, caller);
  }
  if (const Service* const service = snapshot.services.find(target.key)) {
    return resolve_service(*service, target, caller);
  }
  if (const Service* const external = snapshot.services.find(target.absolute)) {
    target.hostname = {};  // it was no Service's form after all
    return resolve_service(*external, target, caller);
  }
  return failed(unknown_service(snapshot, name, target));
}

}  // namespace router
