// SPDX-License-Identifier: Apache-2.0
#include "router/control/endpoint_table.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/ip/address.hpp>

namespace router::control {

namespace ip = boost::asio::ip;
using k8s_client::AddressType;
using k8s_client::IpFamily;

EndpointCounts& EndpointCounts::operator+=(const EndpointCounts& other) noexcept {
  ready += other.ready;
  serving_terminating += other.serving_terminating;
  not_ready += other.not_ready;
  return *this;
}

EndpointCounts& EndpointCounts::operator-=(const EndpointCounts& other) noexcept {
  ready -= other.ready;
  serving_terminating -= other.serving_terminating;
  not_ready -= other.not_ready;
  return *this;
}

const k8s_client::SlicePort* find_port(const k8s_client::EndpointSlice& slice,
                                       std::string_view name) noexcept {
  const auto found = std::find_if(slice.ports.begin(), slice.ports.end(), [name](const auto& port) {
    return port.name == name && port.protocol == k8s_client::Protocol::tcp && port.port;
  });
  return found == slice.ports.end() ? nullptr : &*found;
}

EndpointTable::EndpointTable(std::span<const Slice> slices,
                             std::string_view port_name,
                             IpFamily preferred,
                             const EndpointWeights& weights)
    : weights_{weights} {
  Entries v4;
  Entries v6;
  for (const Slice& slice : slices) {
    const k8s_client::SlicePort* port = find_port(*slice, port_name);
    if (port != nullptr && slice->address_type != AddressType::fqdn) {
      add(*slice, *port->port, slice->address_type == AddressType::ipv4 ? v4 : v6);
    }
  }
  entries_ = std::move(preferred == IpFamily::ipv4 ? v4 : v6);
  others_ = std::move(preferred == IpFamily::ipv4 ? v6 : v4);
  if (entries_.empty()) {
    std::swap(entries_, others_);
  }
}

EndpointTable::State EndpointTable::state_of(
    const k8s_client::EndpointConditions& conditions) noexcept {
  if (conditions.is_ready()) {
    return State::ready;
  }
  return conditions.is_serving() && conditions.is_terminating() ? State::serving_terminating
                                                                : State::not_ready;
}

void EndpointTable::add(const k8s_client::EndpointSlice& slice,
                        std::uint16_t port,
                        Entries& entries) {
  const bool is_v4 = slice.address_type == AddressType::ipv4;
  for (const k8s_client::SliceEndpoint& endpoint : slice.endpoints) {
    boost::system::error_code failure;
    const ip::address address = ip::make_address(endpoint.address, failure);
    if (failure || address.is_v4() != is_v4) {
      continue;
    }
    const Entry entry{.state = state_of(endpoint.conditions), .endpoint = &endpoint};
    const auto [place, is_new] = entries.emplace(ip::tcp::endpoint{address, port}, entry);
    if (!is_new && place->second.state < entry.state) {
      place->second = entry;
    }
  }
}

namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<Endpoint> EndpointTable::selected(const Locality& here, bool with_spares) const {
  Hints hints = nullptr;
  if (is_hinted(&k8s_client::SliceEndpoint::hint_nodes, here.node)) {
    hints = &k8s_client::SliceEndpoint::hint_nodes;
  } else if (is_hinted(&k8s_client::SliceEndpoint::hint_zones, here.zone)) {
    hints = &k8s_client::SliceEndpoint::hint_zones;
  }
  const std::string& wanted =
      hints == &k8s_client::SliceEndpoint::hint_nodes ? here.node : here.zone;
  const auto is_for_here = [&](const Entry& entry) {
    return hints == nullptr || entry.state != State::ready || has(entry.endpoint->*hints, wanted);
  };
  std::vector<Endpoint> result =
      in_best_state([&](const Entry& entry) { return with_spares || is_for_here(entry); });
  for (Endpoint& endpoint : result) {
    endpoint.is_spare = with_spares && !is_for_here(entries_.at(endpoint.address));
  }
  return result;
}

std::vector<Endpoint> EndpointTable::selected_on(const std::string& node) const {
  return in_best_state(
      [&node](const Entry& entry) { return !node.empty() && entry.endpoint->node_name == node; });
}

/// Whether each ready endpoint has hints, and one of them is for here: a partly hinted set is one
/// that is being changed.
bool EndpointTable::is_hinted(Hints hints, const std::string& here) const {
  bool is_any_for_here = false;
  for (const auto& [address, entry] : entries_) {
    if (entry.state != State::ready) {
      continue;
    }
    const std::vector<std::string>& names = entry.endpoint->*hints;
    if (names.empty()) {
      return false;
    }
    is_any_for_here = is_any_for_here || has(names, here);
  }
  return is_any_for_here && !here.empty();
}

template <class Predicate>
std::vector<Endpoint> EndpointTable::in_best_state(const Predicate& may_be_used) const {
  State best = State::serving_terminating;
  for (const auto& [address, entry] : entries_) {
    best = may_be_used(entry) ? std::max(best, entry.state) : best;
  }
  std::vector<Endpoint> result;
  for (const auto& [address, entry] : entries_) {
    if (entry.state == best && may_be_used(entry)) {
      const k8s_client::SliceEndpoint& from = *entry.endpoint;
      result.push_back(
          {.address = address,
           .weight = weights_.of(from.zone, from.node_name, from.hostname),
           .pod = from.target_name.empty() ? address.address().to_string() : from.target_name,
           .hostname = from.hostname});
    }
  }
  return result;
}

EndpointCounts EndpointTable::counts() const noexcept {
  EndpointCounts counts;
  for (const auto& [address, entry] : entries_) {
    switch (entry.state) {
      case State::ready:
        ++counts.ready;
        break;
      case State::serving_terminating:
        ++counts.serving_terminating;
        break;
      case State::not_ready:
        ++counts.not_ready;
        break;
    }
  }
  return counts;
}

std::vector<ip::tcp::endpoint> EndpointTable::addresses() const {
  std::vector<ip::tcp::endpoint> result;
  result.reserve(entries_.size() + others_.size());
  for (const Entries* entries : {&entries_, &others_}) {
    for (const auto& [address, entry] : *entries) {
      result.push_back(address);
    }
  }
  return result;
}

}  // namespace router::control
