// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/service.hpp"
#include "router/control/snapshot.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

namespace test {

/// What a Service port must look like, in one line.
inline std::string port_line(const std::string& service,
                             std::uint16_t port,
                             const std::string& port_name,
                             std::uint32_t known,
                             bool only_local,
                             const std::vector<std::string>& endpoints) {
  return fmt::format("{}:{} '{}' known {}{} [{}]\n",
                     service,
                     port,
                     port_name,
                     known,
                     only_local ? " local" : "",
                     fmt::join(endpoints, " "));
}

inline std::string pod_line(const boost::asio::ip::tcp::endpoint& pod,
                            const std::string& service,
                            std::uint16_t port) {
  return fmt::format("pod {}/{} of {}:{}\n", pod.address().to_string(), pod.port(), service, port);
}

/// The objects of the cluster at one moment, and the rules of docs/configuration.md, "Which pods
/// get requests", read literally. Knows no history.
///
/// Source: kube-proxy's `pkg/proxy/topology.go`, `CategorizeEndpoints` and `topologyModeFromHints`.
struct ClusterModel {
  using ObjectKey = k8s_client::ObjectKey;
  using AddressType = k8s_client::AddressType;

  /// By which of the rules a port's endpoints were selected.
  enum class Rule : std::uint8_t {
    node_hints,
    zone_hints,
    all_ready,
    terminating,
    none,
    ready_here,
    terminating_here,
    none_here,
    count
  };

  struct Candidate {
    boost::asio::ip::address address;
    std::uint16_t port;
    std::string pod;
    int rank;  // 2 ready, 1 serving though terminating, 0 neither
    k8s_client::SliceEndpoint from;
  };
  using Candidates = std::vector<Candidate>;

  struct Selection {
    Rule rule;
    Candidates candidates;
  };

  std::map<ObjectKey, k8s_client::Service> services{};
  std::map<ObjectKey, k8s_client::EndpointSlice> slices{};
  std::string node{};  // this one
  std::string zone{};  // of this node

  static int rank(const k8s_client::EndpointConditions& c) {
    const bool ready = c.ready.value_or(true);
    const bool serving = c.serving.value_or(ready);
    if (ready) {
      return 2;
    }
    return serving && c.terminating.value_or(false) ? 1 : 0;
  }

  [[nodiscard]] Candidates candidates(const k8s_client::Service& service,
                                      const std::string& port_name,
                                      AddressType family) const {
    Candidates all;
    for (const auto& [key, slice] : slices) {  // in the order of their names
      const bool is_own = key.ns == service.meta.key.ns &&
                          slice.service_name == service.meta.key.name &&
                          (slice.service_uid.empty() || slice.service_uid == service.meta.uid);
      if (!is_own || slice.address_type != family) {
        continue;
      }
      for (const k8s_client::SlicePort& port : slice.ports) {
        if (port.name != port_name || port.protocol != k8s_client::Protocol::tcp || !port.port) {
          continue;
        }
        for (const k8s_client::SliceEndpoint& endpoint : slice.endpoints) {
          boost::system::error_code failed;
          const auto address = boost::asio::ip::make_address(endpoint.address, failed);
          if (!failed && address.is_v4() == (family == AddressType::ipv4)) {
            merge(all,
                  {address, *port.port, endpoint.target_name, rank(endpoint.conditions), endpoint});
          }
        }
        break;  // the first port of that name
      }
    }
    return all;
  }

  static void merge(Candidates& all, const Candidate& one) {
    for (Candidate& other : all) {
      if (other.address == one.address && other.port == one.port) {
        if (one.rank > other.rank) {
          other = one;
        }
        return;
      }
    }
    all.push_back(one);
  }

  static Candidates of_rank(const Candidates& all, int rank) {
    Candidates some;
    std::copy_if(all.begin(), all.end(), std::back_inserter(some), [rank](const Candidate& one) {
      return one.rank == rank;
    });
    return some;
  }

  /// kube-proxy's rules for `internalTrafficPolicy: Local`.
  [[nodiscard]] Selection chosen_here(Candidates all) const {
    std::erase_if(
        all, [this](const Candidate& one) { return node.empty() || one.from.node_name != node; });
    if (Candidates ready = of_rank(all, 2); !ready.empty()) {
      return {Rule::ready_here, ready};
    }
    Candidates ending = of_rank(all, 1);
    return {ending.empty() ? Rule::none_here : Rule::terminating_here, ending};
  }

  /// Its rules for all others: hints for nodes, hints for zones, all that are ready, and at last
  /// those that terminate.
  [[nodiscard]] Selection chosen_anywhere(const Candidates& all) const {
    const Candidates ready = of_rank(all, 2);
    if (ready.empty()) {
      Candidates ending = of_rank(all, 1);
      return {ending.empty() ? Rule::none : Rule::terminating, ending};
    }
    const Candidates for_node = hinted(ready, &k8s_client::SliceEndpoint::hint_nodes, node);
    if (!for_node.empty()) {
      return {Rule::node_hints, for_node};
    }
    const Candidates for_zone = hinted(ready, &k8s_client::SliceEndpoint::hint_zones, zone);
    return for_zone.empty() ? Selection{Rule::all_ready, ready}
                            : Selection{Rule::zone_hints, for_zone};
  }

  /// None unless each has hints.
  static Candidates hinted(const Candidates& ready,
                           std::vector<std::string> k8s_client::SliceEndpoint::*hints,
                           const std::string& here) {
    Candidates some;
    for (const Candidate& one : ready) {
      const std::vector<std::string>& names = one.from.*hints;
      if (names.empty()) {
        return {};
      }
      if (!here.empty() && std::find(names.begin(), names.end(), here) != names.end()) {
        some.push_back(one);
      }
    }
    return some;
  }

  /// Of one family: the Service's first, or the other if that has no endpoint at all.
  [[nodiscard]] Candidates known(const k8s_client::Service& service,
                                 const std::string& port_name) const {
    const bool prefers_v6 =
        !service.ip_families.empty() && service.ip_families.front() == k8s_client::IpFamily::ipv6;
    Candidates all =
        candidates(service, port_name, prefers_v6 ? AddressType::ipv6 : AddressType::ipv4);
    if (all.empty()) {
      all = candidates(service, port_name, prefers_v6 ? AddressType::ipv4 : AddressType::ipv6);
    }
    std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
      return std::tie(a.address, a.port) < std::tie(b.address, b.port);
    });
    return all;
  }

  static bool is_local(const k8s_client::Service& service) {
    return service.internal_traffic_policy == k8s_client::TrafficPolicy::local && !service.headless;
  }

  [[nodiscard]] Selection chosen(const k8s_client::Service& service,
                                 const std::string& port_name) const {
    Candidates all = known(service, port_name);
    return is_local(service) ? chosen_here(std::move(all)) : chosen_anywhere(all);
  }

  [[nodiscard]] std::string line(const k8s_client::Service& service,
                                 const k8s_client::ServicePort& port) const {
    std::vector<std::string> endpoints;
    for (const Candidate& one : chosen(service, port.name).candidates) {
      endpoints.push_back(fmt::format("{}/{}@{}", one.address.to_string(), one.port, one.pod));
    }
    return port_line(service.meta.key.name + "." + service.meta.key.ns,
                     port.port,
                     port.name,
                     static_cast<std::uint32_t>(known(service, port.name).size()),
                     is_local(service),
                     endpoints);
  }

  /// The pods that the slices of a Service port have, ready or not, in both families.
  void add_pods(const k8s_client::Service& service,
                const k8s_client::ServicePort& port,
                std::set<std::string>& lines) const {
    for (const AddressType family : {AddressType::ipv4, AddressType::ipv6}) {
      for (const Candidate& one : candidates(service, port.name, family)) {
        lines.insert(pod_line(
            {one.address, one.port}, service.meta.key.name + "." + service.meta.key.ns, port.port));
      }
    }
  }

  /// What a snapshot of it must say, as `text_of` writes it.
  [[nodiscard]] std::string text() const {
    std::set<std::string> lines;
    for (const auto& [key, service] : services) {
      if (service.type == k8s_client::ServiceType::external_name) {
        lines.insert(key.name + "." + key.ns + " external\n");
        continue;
      }
      lines.insert(key.name + "." + key.ns + (service.headless ? " headless\n" : "\n"));
      for (const k8s_client::ServicePort& port : service.ports) {
        if (port.protocol == k8s_client::Protocol::tcp) {
          lines.insert(line(service, port));
          add_pods(service, port, lines);
        }
      }
    }
    return fmt::format("{}", fmt::join(lines, ""));
  }
};

inline std::string pod_line_of(const router::Snapshot& snapshot, const router::PodPort& pod) {
  const router::Service& service = *snapshot.services.with_port(pod.cluster);
  const auto port = std::find_if(
      service.ports.begin(), service.ports.end(), [&pod](const router::ServicePort& each) {
        return each.id == pod.cluster;
      });
  return pod_line(pod.endpoint(), service.name + "." + service.namespace_, port->number);
}

/// All that a snapshot says of Services and pods.
inline std::string text_of(const router::Snapshot& snapshot) {
  std::set<std::string> lines;
  snapshot.services.for_each([&lines](const router::Service& service) {
    const std::string name = full_name(service);
    const bool is_external = !service.external_name.empty();
    lines.insert(name + (is_external ? " external\n" : service.headless ? " headless\n" : "\n"));
    for (const router::ServicePort& port : service.ports) {
      std::vector<std::string> endpoints;
      for (const router::Endpoint& endpoint : port.endpoints) {
        endpoints.push_back(fmt::format("{}/{}@{}",
                                        endpoint.address.address().to_string(),
                                        endpoint.address.port(),
                                        endpoint.pod));
      }
      lines.insert(port_line(
          name, port.number, port.name, port.endpoints_known, port.only_local, endpoints));
    }
  });
  for (const auto& shard : snapshot.pod_ports->shards) {
    for (const router::PodPort& pod : shard ? *shard : router::PodPorts::Shard{}) {
      lines.insert(pod_line_of(snapshot, pod));
    }
  }
  return fmt::format("{}", fmt::join(lines, ""));
}

}  // namespace test
