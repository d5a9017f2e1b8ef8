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
                             IpFamily preferred) {
  Entries v4;
  Entries v6;
  for (const Slice& slice : slices) {
    const k8s_client::SlicePort* port = find_port(*slice, port_name);
    if (port != nullptr && slice->address_type != AddressType::fqdn) {
      add(*slice, *port->port, slice->address_type == AddressType::ipv4 ? v4 : v6);
    }
  }
  Entries& first = preferred == IpFamily::ipv4 ? v4 : v6;
  Entries& second = preferred == IpFamily::ipv4 ? v6 : v4;
  entries_ = std::move(first.empty() ? second : first);
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
    if (endpoint.addresses.empty()) {
      continue;
    }
    // The first one only, as kube-proxy does: the API says that they are interchangeable.
    boost::system::error_code failure;
    const ip::address address = ip::make_address(endpoint.addresses.front(), failure);
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

std::vector<Endpoint> EndpointTable::selected() const {
  const bool any_ready = std::any_of(entries_.begin(), entries_.end(), [](const auto& e) {
    return e.second.state == State::ready;
  });
  const State wanted = any_ready ? State::ready : State::serving_terminating;
  std::vector<Endpoint> result;
  for (const auto& [address, entry] : entries_) {
    if (entry.state == wanted) {
      const k8s_client::SliceEndpoint& from = *entry.endpoint;
      result.push_back(
          {.address = address,
           .pod = from.target_name.empty() ? address.address().to_string() : from.target_name,
           .node = from.node_name,
           .zone = from.zone});
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

}  // namespace router::control
