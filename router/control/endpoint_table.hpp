// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/objects/endpoint_slice.hpp"
#include "k8s_client/objects/service.hpp"
#include "router/control/endpoint_weights.hpp"
#include "router/control/snapshot.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace router::control {

/// Endpoints by what their slices say of them.
struct EndpointCounts {
  std::uint64_t ready = 0;
  std::uint64_t serving_terminating = 0;  ///< going away, used only where no ready one is left
  std::uint64_t not_ready = 0;            ///< never used

  EndpointCounts& operator+=(const EndpointCounts& other) noexcept;
  EndpointCounts& operator-=(const EndpointCounts& other) noexcept;
  [[nodiscard]] std::uint64_t total() const noexcept {
    return ready + serving_terminating + not_ready;
  }
  bool operator==(const EndpointCounts&) const = default;
};

/// Where this router is, as far as it is known; empty strings otherwise.
struct Locality {
  std::string node;
  std::string zone;

  bool operator==(const Locality&) const = default;
};

/// The endpoints of one Service port, merged from all its slices.
///
/// An endpoint may be in two slices for a moment: it is counted once, with the better of its two
/// states. Of a dual-stack Service one family is used, so that no pod counts twice: the preferred
/// one, or the other one if the preferred one has no endpoint at all.
/// Source: KEP-0752, KEP-1669, KEP-1672, KEP-2086, KEP-2433, KEP-4444; kube-proxy's
/// `pkg/proxy/topology.go`; docs/configuration.md, "Which pods get requests".
class EndpointTable {
 public:
  using Slice = std::shared_ptr<const k8s_client::EndpointSlice>;

  /// Takes the endpoints of all `slices` at the ports named `port_name`. A slice without such a
  /// TCP port contributes nothing. Those selected weigh as `weights` say.
  EndpointTable(std::span<const Slice> slices,
                std::string_view port_name,
                k8s_client::IpFamily preferred,
                const EndpointWeights& weights);

  /// Those that are ready and hinted for `here`, if the hints are complete and any is for here;
  /// else all that are ready; if none is, all that still serve while they terminate. By address.
  /// `with_spares`: also those that are ready and not hinted for here, marked as spare.
  [[nodiscard]] std::vector<Endpoint> selected(const Locality& here, bool with_spares) const;
  /// The same among the endpoints of this node only, hints apart: `internalTrafficPolicy: Local`.
  [[nodiscard]] std::vector<Endpoint> selected_on(const std::string& node) const;
  [[nodiscard]] EndpointCounts counts() const noexcept;
  /// Those of both families, whatever their state.
  [[nodiscard]] std::vector<boost::asio::ip::tcp::endpoint> addresses() const;

 private:
  enum class State : std::uint8_t { not_ready, serving_terminating, ready };  ///< worst first
  struct Entry {
    State state;
    const k8s_client::SliceEndpoint* endpoint;  ///< of the slice; outlives the table
  };
  using Entries = std::map<boost::asio::ip::tcp::endpoint, Entry>;

  using Hints = std::vector<std::string> k8s_client::SliceEndpoint::*;

  template <class Predicate>
  [[nodiscard]] std::vector<Endpoint> in_best_state(const Predicate& may_be_used) const;
  [[nodiscard]] bool is_hinted(Hints hints, const std::string& here) const;
  static State state_of(const k8s_client::EndpointConditions& conditions) noexcept;
  static void add(const k8s_client::EndpointSlice& slice, std::uint16_t port, Entries& entries);

  Entries entries_;
  Entries others_;  ///< of the family that is not used
  EndpointWeights weights_;
};

/// The slice's TCP port of that name that has a number; null if there is none.
[[nodiscard]] const k8s_client::SlicePort* find_port(const k8s_client::EndpointSlice& slice,
                                                     std::string_view name) noexcept;

}  // namespace router::control
