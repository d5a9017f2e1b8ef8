// SPDX-License-Identifier: Apache-2.0
#include "router/control/builder.hpp"

#include "router/control/port_protocol.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/make_shared.hpp>

namespace router::control {
namespace {

std::string full_name(const k8s_client::ObjectKey& key) {
  return key.name + "." + key.ns;
}

/// Kubernetes itself fills `ipFamilies`; a folder of YAML seldom has it.
k8s_client::IpFamily preferred_family(const k8s_client::Service& service) {
  return service.ip_families.empty() ? k8s_client::IpFamily::ipv4 : service.ip_families.front();
}

/// What the Service's port says; else what the first slice says that says something.
std::string_view app_protocol_of(const k8s_client::ServicePort& port,
                                 std::span<const EndpointTable::Slice> slices) {
  if (!port.app_protocol.empty()) {
    return port.app_protocol;
  }
  for (const EndpointTable::Slice& slice : slices) {
    const k8s_client::SlicePort* slice_port = find_port(*slice, port.name);
    if (slice_port != nullptr && !slice_port->app_protocol.empty()) {
      return slice_port->app_protocol;
    }
  }
  return {};
}

bool has_number(const std::vector<ServicePort>& ports, std::uint16_t number) {
  return std::any_of(ports.begin(), ports.end(), [number](const ServicePort& port) {
    return port.number == number;
  });
}

bool is_external(const k8s_client::Service& service) {
  return service.type == k8s_client::ServiceType::external_name;
}

/// What the Service is a name for, as `externalNames` has it. The API takes a dot at its end.
std::string_view external_name_of(const k8s_client::Service& service) {
  const std::string_view name = service.external_name;
  return name.substr(0, name.size() - (name.ends_with('.') ? 1 : 0));
}

/// Under which a name outside of the cluster is derived: no Service has a dot in its name.
Builder::ObjectKey key_of_external(const std::string& name) {
  return {.ns = "", .name = name};
}

const std::vector<std::string>& cluster_ips_of(const Builder::KubeService& service) {
  static const std::vector<std::string> none;
  return service && !is_external(*service) ? service->cluster_ips : none;
}

}  // namespace

void Builder::set_service(const ObjectKey& key, KubeService service) {
  changed_.insert(key);
  KubeService& place = services_[key];
  const bool has_moved = cluster_ips_of(place) != cluster_ips_of(service);
  are_cluster_ips_changed_ = are_cluster_ips_changed_ || has_moved;
  if (service) {
    place = std::move(service);
  } else {
    services_.erase(key);
  }
}

void Builder::set_slice(const ObjectKey& key, Slice slice) {
  if (const auto known = service_of_slice_.find(key); known != service_of_slice_.end()) {
    changed_.insert(known->second);
    const auto slices = slices_.find(known->second);
    slices->second.erase(key.name);
    if (slices->second.empty()) {
      slices_.erase(slices);
    }
    service_of_slice_.erase(known);
  }
  if (slice && !slice->service_name.empty()) {
    ObjectKey service{.ns = key.ns, .name = slice->service_name};
    changed_.insert(service);
    slices_[service][key.name] = std::move(slice);
    service_of_slice_[key] = std::move(service);
  }
}

void Builder::set_addresses(const std::string& external_name,
                            std::vector<boost::asio::ip::address> addresses) {
  addresses_[external_name] = std::move(addresses);
  change_external(external_name);
}

void Builder::change_external(const std::string& name) {
  changed_.insert(key_of_external(name));
  for (const auto& [key, service] : services_) {
    if (is_external(*service) && external_name_of(*service) == name) {
      changed_.insert(key);
    }
  }
}

void Builder::set_config(ConfigDocument config) {
  for (const auto* const names : {&config_.external_names, &config.external_names}) {
    for (const auto& [name, ports] : *names) {
      changed_.insert(key_of_external(name));
    }
  }
  std::erase_if(addresses_, [&config](const auto& known) {
    return !config.external_names.contains(known.first);
  });
  config_ = std::move(config);
  callers_.set_allowed(config_.callers);
  identifiers_ = boost::make_shared<const Identifiers>(config_.identifiers);
  is_config_changed_ = true;
  derive_all();
}

void Builder::set_zone(const std::string& zone) {
  if (std::exchange(here_.zone, zone) != zone) {
    derive_all();
  }
}

void Builder::derive_all() {
  for (const auto& [key, service] : services_) {
    changed_.insert(key);
  }
}

SnapshotPtr Builder::build() {
  bool is_changed = std::exchange(is_config_changed_, false);
  for (const ObjectKey& key : std::exchange(changed_, {})) {
    is_changed = update(key) || is_changed;
  }
  if (std::exchange(are_cluster_ips_changed_, false)) {
    cluster_ips_ = boost::make_shared<const ClusterIps>(collect_cluster_ips());
    is_changed = true;
  }
  boost::shared_ptr<const Callers> callers = callers_.build();
  boost::shared_ptr<const PodPorts> pod_ports = pod_ports_.build(ids_);
  if (!is_changed && callers == known_callers_ && pod_ports == known_pod_ports_) {
    return nullptr;
  }
  known_callers_ = callers;
  known_pod_ports_ = pod_ports;
  auto snapshot = boost::make_shared<Snapshot>();
  snapshot->generation = ++generation_;
  snapshot->default_namespace = config_.default_namespace;
  snapshot->cluster_domain = config_.cluster_domain;
  snapshot->callers = std::move(callers);
  snapshot->identifiers = identifiers_;
  snapshot->cluster_ips = cluster_ips_;
  snapshot->pod_ports = std::move(pod_ports);
  snapshot->services = table_;
  return snapshot;
}

/// Whether anything that routing sees has changed, but for ClusterIPs and the ports of pods.
bool Builder::update(const ObjectKey& key) {
  const auto old = derived_.find(key);
  std::optional<Derived> derived = derive(key);
  if (old != derived_.end()) {
    forget_pod_ports(*old->second.service, derived ? derived->service.get() : nullptr);
  }
  if (!derived) {
    if (old == derived_.end()) {
      return false;
    }
    counts_ -= old->second.counts;
    table_.erase(full_name(key));
    derived_.erase(old);
    return true;
  }
  counts_ += derived->counts;
  if (old == derived_.end()) {
    table_.put(derived->service);
    derived_.emplace(key, *std::move(derived));
    return true;
  }
  counts_ -= old->second.counts;
  old->second.counts = derived->counts;
  if (*old->second.service == *derived->service) {
    return false;
  }
  table_.put(derived->service);
  old->second.service = std::move(derived->service);
  return true;
}

ClusterIps Builder::collect_cluster_ips() const {
  ClusterIps result;
  for (const auto& [key, service] : services_) {
    for (const std::string& text : cluster_ips_of(service)) {
      boost::system::error_code failure;
      const auto address = boost::asio::ip::make_address(text, failure);
      if (!failure) {
        result.emplace(address, full_name(key));
      }
    }
  }
  return result;
}

/// Nothing if there is no such Service or external name.
std::optional<Builder::Derived> Builder::derive(const ObjectKey& key) {
  const auto service = services_.find(key);
  if (service == services_.end()) {
    const bool is_allowed = key.ns.empty() && config_.external_names.contains(key.name);
    return is_allowed ? std::optional{derive_external(key, key.name)} : std::nullopt;
  }
  return is_external(*service->second)
             ? derive_external(key, std::string{external_name_of(*service->second)})
             : derive_service(*service->second);
}

Builder::Derived Builder::derive_external(const ObjectKey& key, const std::string& name) {
  const auto entry = boost::make_shared<Service>();
  entry->namespace_ = key.ns;
  entry->name = key.name;
  entry->external_name = name;
  Derived derived;
  if (const auto allowed = config_.external_names.find(name);
      allowed != config_.external_names.end()) {
    for (const std::uint16_t number : allowed->second) {
      entry->ports.push_back(derive_external_port(key, name, number));
    }
  }
  derived.service = entry;
  return derived;
}

ServicePort Builder::derive_external_port(const ObjectKey& key,
                                          const std::string& name,
                                          std::uint16_t number) {
  ServicePort result;
  result.id = ids_.of(key, number);
  pod_ports_.set(result.id, {});  // a Service of slices may have had that port
  result.number = number;
  result.policy = config_.policy_for(full_name(key), number);
  result.protocol = result.policy.upstream_protocol.value_or(UpstreamProtocol::as_caller);
  for (const boost::asio::ip::address& address : addresses_[name]) {
    result.endpoints.push_back({.address = {address, number}, .pod = address.to_string()});
  }
  result.endpoints_known = static_cast<std::uint32_t>(result.endpoints.size());
  return result;
}

Builder::Derived Builder::derive_service(const k8s_client::Service& service) {
  const auto entry = boost::make_shared<Service>();
  entry->namespace_ = service.meta.key.ns;
  entry->name = service.meta.key.name;
  entry->headless = service.headless;
  const std::vector<Slice> slices = slices_of(service);
  Derived derived;
  for (const k8s_client::ServicePort& port : service.ports) {
    // The API refuses a second port of the same number; a folder of YAML may have it.
    if (port.protocol == k8s_client::Protocol::tcp && !has_number(entry->ports, port.port)) {
      entry->ports.push_back(derive_port(service, port, slices, derived.counts));
    }
  }
  derived.service = entry;
  return derived;
}

ServicePort Builder::derive_port(const k8s_client::Service& service,
                                 const k8s_client::ServicePort& port,
                                 std::span<const Slice> slices,
                                 EndpointCounts& counts) {
  const std::string name = full_name(service.meta.key);
  const EndpointTable endpoints{
      slices, port.name, preferred_family(service), config_.weights_for(name, port.port)};
  const PortProtocol protocol = protocol_of_port(port.name, app_protocol_of(port, slices));
  const EndpointCounts port_counts = endpoints.counts();
  counts += port_counts;
  ServicePort result;
  result.id = ids_.of(service.meta.key, port.port);
  pod_ports_.set(result.id, endpoints.addresses());
  result.number = port.port;
  result.name = port.name;
  result.policy = config_.policy_for(name, port.port);
  result.protocol = result.policy.upstream_protocol.value_or(protocol.protocol);
  result.names_http = protocol.names_http;
  result.names_h2 = protocol.names_h2;
  // A headless Service has no virtual address that a policy could be about.
  result.only_local =
      !service.headless && service.internal_traffic_policy == k8s_client::TrafficPolicy::local;
  result.endpoints = result.only_local
                         ? endpoints.selected_on(here_.node)
                         : endpoints.selected(here_, result.policy.zone_spill_over > 0);
  result.endpoints_known = static_cast<std::uint32_t>(port_counts.total());
  return result;
}

/// By name, so that the same slices always give the same result.
std::vector<Builder::Slice> Builder::slices_of(const k8s_client::Service& service) const {
  std::vector<Slice> result;
  const auto slices = slices_.find(service.meta.key);
  if (slices == slices_.end()) {
    return result;
  }
  const std::string& uid = service.meta.uid;
  for (const auto& [name, slice] : slices->second) {
    // A deleted Service's slices stay until they are collected, also when another one of its name
    // is there already. Slices made by hand, and files, have no owner.
    if (slice->service_uid.empty() || uid.empty() || slice->service_uid == uid) {
      result.push_back(slice);
    }
  }
  return result;
}

/// Of the Service ports that are gone.
void Builder::forget_pod_ports(const Service& before, const Service* after) {
  for (const ServicePort& port : before.ports) {
    if (after == nullptr || !has_number(after->ports, port.number)) {
      pod_ports_.set(port.id, {});
    }
  }
}

}  // namespace router::control
