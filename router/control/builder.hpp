// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/object_meta.hpp"
#include "k8s_client/objects/service.hpp"
#include "router/control/caller_table.hpp"
#include "router/control/cluster_ids.hpp"
#include "router/control/config_document.hpp"
#include "router/control/endpoint_table.hpp"
#include "router/control/pod_port_table.hpp"
#include "router/control/snapshot.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <boost/smart_ptr/shared_ptr.hpp>

namespace router::control {

/// Turns Services, EndpointSlices and the configuration into snapshots. Pure: no I/O, no clock.
///
/// Incremental: a change of one Service or slice derives that Service anew, nothing else. Objects
/// may come in any order, slices before their Service and after its end among them.
class Builder {
 public:
  using ObjectKey = k8s_client::ObjectKey;
  using KubeService = std::shared_ptr<const k8s_client::Service>;  ///< shared with its Store
  using Slice = EndpointTable::Slice;                              ///< likewise

  /// `node` is the name of the one that this router is on; may be empty.
  explicit Builder(const std::string& node = {})
      : here_{.node = node, .zone = {}}, callers_{node} {}

  /// The Service of that key is `service` from here on; null: it is gone.
  void set_service(const ObjectKey& key, KubeService service);

  /// The slice of that key is `slice` from here on; null: it is gone. It may change its Service.
  void set_slice(const ObjectKey& key, Slice slice);

  /// This node's zone; "" if it has none. Another one derives all Services anew.
  void set_zone(const std::string& zone);

  /// The pod of that key is `pod` from here on; null: it is gone.
  void set_pod(const ObjectKey& key, CallerTable::Pod pod) {
    callers_.set_pod(key, std::move(pod));
  }

  /// Whether the pods are those of a saved view, and their list may be about to come.
  void await_pods(bool is_awaited) { callers_.await_list(is_awaited); }

  /// A name of the configuration's `externalNames` has these addresses from here on, sorted.
  void set_addresses(const std::string& external_name,
                     std::vector<boost::asio::ip::address> addresses);

  /// Derives all Services anew.
  void set_config(ConfigDocument config);

  /// What has become of all that. Null if nothing that a request may look up has changed since the
  /// last snapshot; the first one always comes.
  [[nodiscard]] SnapshotPtr build();

  /// As of the last `build`: endpoints of all Service ports, by their slices; those of external
  /// names have none.
  [[nodiscard]] const EndpointCounts& endpoint_counts() const noexcept { return counts_; }

 private:
  using ServicePtr = ServiceTable::ServicePtr;

  /// What was made of one Service.
  struct Derived {
    ServicePtr service;
    EndpointCounts counts;
  };

  void derive_all();
  [[nodiscard]] ClusterIps collect_cluster_ips() const;
  [[nodiscard]] std::optional<Derived> derive(const ObjectKey& key);
  [[nodiscard]] Derived derive_service(const k8s_client::Service& service);
  [[nodiscard]] Derived derive_external(const ObjectKey& key, const std::string& name);
  [[nodiscard]] ServicePort derive_external_port(const ObjectKey& key,
                                                 const std::string& name,
                                                 std::uint16_t number);
  void change_external(const std::string& name);
  [[nodiscard]] ServicePort derive_port(const k8s_client::Service& service,
                                        const k8s_client::ServicePort& port,
                                        std::span<const Slice> slices,
                                        EndpointCounts& counts);
  [[nodiscard]] std::vector<Slice> slices_of(const k8s_client::Service& service) const;
  [[nodiscard]] bool update(const ObjectKey& key);
  void forget_pod_ports(const Service& before, const Service* after);

  std::map<ObjectKey, KubeService> services_;
  std::map<ObjectKey, std::map<std::string, Slice>> slices_;  // by Service, then by slice name
  std::map<ObjectKey, ObjectKey> service_of_slice_;
  std::map<ObjectKey, Derived> derived_;
  ServiceTable table_;           // of `derived_`
  std::set<ObjectKey> changed_;  // Services to derive at the next build
  // By name; of `config_.external_names` only.
  std::map<std::string, std::vector<boost::asio::ip::address>, std::less<>> addresses_;
  ClusterIds ids_;
  PodPortTable pod_ports_;
  boost::shared_ptr<const PodPorts> known_pod_ports_;  // of the last snapshot
  Locality here_;
  CallerTable callers_;
  boost::shared_ptr<const Callers> known_callers_;  // of the last snapshot
  boost::shared_ptr<const Identifiers> identifiers_ =
      boost::make_shared<const Identifiers>(default_identifiers());
  boost::shared_ptr<const ClusterIps> cluster_ips_ = boost::make_shared<const ClusterIps>();
  bool are_cluster_ips_changed_ = false;
  ConfigDocument config_;
  bool is_config_changed_ = true;  // the first snapshot counts as a change
  EndpointCounts counts_;
  std::uint64_t generation_ = 0;
};

}  // namespace router::control
