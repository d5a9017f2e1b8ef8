// SPDX-License-Identifier: Apache-2.0
#include "router/control/endpoint_ages.hpp"

#include <sstream>
#include <utility>

namespace router::control {
namespace {

std::string text_of(const boost::asio::ip::tcp::endpoint& address) {
  std::ostringstream text;
  text << address;
  return text.str();
}

}  // namespace

void EndpointAges::see(const Snapshot& snapshot, TimePoint now) {
  std::erase_if(services_, [&snapshot](const auto& known) {
    return !snapshot.services.contains(known.first);
  });
  for (const auto& [name, service] : snapshot.services) {
    Known& known = services_[name];
    if (known.service == service) {
      continue;
    }
    const std::map<Key, TimePoint> before = std::exchange(known.first_seen, {});
    for (const ServicePort& port : service->ports) {
      for (const Endpoint& endpoint : port.endpoints) {
        const Key key{port.number, endpoint.address};
        const auto old = before.find(key);
        known.first_seen.emplace(key, old == before.end() ? now : old->second);
      }
    }
    known.service = service;
  }
}

std::vector<EndpointSince> EndpointAges::all() const {
  std::vector<EndpointSince> result;
  for (const auto& [name, known] : services_) {
    for (const auto& [key, first_seen] : known.first_seen) {
      result.push_back({.service_namespace = known.service->namespace_,
                        .service = known.service->name,
                        .port = key.first,
                        .address = text_of(key.second),
                        .first_seen = first_seen});
    }
  }
  return result;
}

}  // namespace router::control
