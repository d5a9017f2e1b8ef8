// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cluster/cluster_id.hpp"
#include "router/resolve/callers.hpp"
#include "router/resolve/identifier.hpp"
#include "router/resolve/pod_ports.hpp"
#include "router/resolve/service_table.hpp"
#include "router/route/policy.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

namespace router {

/// One pod (or other backend) that may get requests of a Service port now.
struct Endpoint {
  boost::asio::ip::tcp::endpoint address;
  /// Ready, but meant for other zones or nodes: see `Policy::zone_spill_over`.
  bool is_spare = false;
  double weight = 1;       ///< of the configuration (`balancer.weights`): 0.1 to 10
  std::string pod;         ///< `targetRef` name, else the address as text
  std::string hostname{};  ///< `pod-0` of a StatefulSet; may be empty

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// A port of a Service with everything that a request to it may look up.
struct ServicePort {
  ClusterId id = 0;
  std::uint16_t number = 0;  ///< the Service's port, never the target port
  std::string name;          ///< empty for a single unnamed port
  UpstreamProtocol protocol =
      UpstreamProtocol::as_caller;  ///< configuration, else `appProtocol`, else the name's prefix
  bool names_http =
      false;  ///< name or appProtocol is an HTTP one (`http`, `http-…`); see resolve()
  bool names_h2 = false;  ///< name or appProtocol is `grpc`, `h2c` or `http2`; see resolve()
  Policy policy;
  /// Selected by kubernetes.md 1 to 6, and spare ones where the policy has a use for them; sorted
  /// by address. Empty: `no_endpoints`.
  std::vector<Endpoint> endpoints;
  std::uint32_t endpoints_known =
      0;                    ///< in the slices, selected or not (the second figure of `3/3`)
  bool only_local = false;  ///< `internalTrafficPolicy: Local`: none but this node's are selected

  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

/// A Service, or a name outside of the cluster that the configuration allows.
struct Service {
  std::string namespace_;          ///< "" of a name outside of the cluster
  std::string name;                ///< then the whole of it: `api.example.com`
  bool headless = false;           ///< its pods have names of their own: `pod-0.name.namespace`
  std::vector<ServicePort> ports;  ///< TCP only, in the order of the Service's manifest
  /// What its endpoints come from by DNS; "" if they come from slices. Without `ports` the
  /// configuration does not allow it.
  std::string external_name{};

  friend bool operator==(const Service&, const Service&) = default;
};

/// The key in `Snapshot::services` of the Service that has a virtual address.
using ClusterIps = std::unordered_map<boost::asio::ip::address, std::string>;

/// Immutable routing state: everything that a request may look up. Built on the control thread,
/// read on every core.
struct Snapshot {
  std::uint64_t generation = 0;  ///< counts up with each one published
  std::string default_namespace = "default";
  std::string cluster_domain = "cluster.local";
  ServiceTable services;
  // What follows is shared between snapshots likewise; never null.
  boost::shared_ptr<const Callers> callers = boost::make_shared<const Callers>();
  boost::shared_ptr<const Identifiers> identifiers =
      boost::make_shared<const Identifiers>(default_identifiers());
  boost::shared_ptr<const ClusterIps> cluster_ips = boost::make_shared<const ClusterIps>();
  boost::shared_ptr<const PodPorts> pod_ports = boost::make_shared<const PodPorts>();
};

/// Shared by the control thread and by every core until its last request has ended.
using SnapshotPtr = boost::shared_ptr<const Snapshot>;

}  // namespace router
