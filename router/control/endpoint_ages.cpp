// SPDX-License-Identifier: Apache-2.0
#include "router/control/endpoint_ages.hpp"

#include "router/worker/endpoint_text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace router::control {
namespace {

bool has_name_of(const Service& a, const Service& b) {
  return a.name == b.name && a.namespace_ == b.namespace_;
}

/// Where a Service of that name is in the shard; the shard's size if it has none.
std::size_t index_of(const ServiceTable::Shard& shard, const ServiceTable::Entry& wanted) {
  auto place = std::lower_bound(
      shard.begin(), shard.end(), wanted.hash, [](const ServiceTable::Entry& entry, auto hash) {
        return entry.hash < hash;
      });
  while (place != shard.end() && !has_name_of(*place->service, *wanted.service)) {
    place = place->hash == wanted.hash ? place + 1 : shard.end();
  }
  return static_cast<std::size_t>(place - shard.begin());
}

/// The times of `port`'s endpoints: those that they had in `before`, at `known`, else `now`.
void add_times(const ServicePort& port,
               const ServicePort* before,
               const EndpointAges::TimePoint* known,
               EndpointAges::TimePoint now,
               std::vector<EndpointAges::TimePoint>& times) {
  static const std::vector<Endpoint> none;
  const std::vector<Endpoint>& old = before == nullptr ? none : before->endpoints;
  auto place = old.begin();
  for (const Endpoint& endpoint : port.endpoints) {
    place = std::find_if(place, old.end(), [&endpoint](const Endpoint& each) {
      return !(each.address < endpoint.address);
    });
    const bool is_known = place != old.end() && place->address == endpoint.address;
    times.push_back(is_known ? known[place - old.begin()] : now);
  }
}

/// Those of the endpoints of `service`, which in `before` had `known`.
std::vector<EndpointAges::TimePoint> times_of(const Service& service,
                                              const Service& before,
                                              const std::vector<EndpointAges::TimePoint>& known,
                                              EndpointAges::TimePoint now) {
  std::vector<EndpointAges::TimePoint> times;
  for (const ServicePort& port : service.ports) {
    const ServicePort* old = nullptr;
    const EndpointAges::TimePoint* of_old = known.data();
    for (const ServicePort& each : before.ports) {
      if (each.number == port.number) {
        old = &each;
        break;
      }
      of_old += each.endpoints.size();
    }
    add_times(port, old, of_old, now, times);
  }
  times.shrink_to_fit();
  return times;
}

}  // namespace

void EndpointAges::see(const Snapshot& snapshot, TimePoint now) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].services != snapshot.services.shards()[i]) {
      shards_[i] = renewed(shards_[i], snapshot.services.shards()[i], now);
    }
  }
}

EndpointAges::Shard EndpointAges::renewed(Shard& before,
                                          ServiceTable::ShardPtr services,
                                          TimePoint now) {
  static const ServiceTable::Shard none;
  static const Service nothing;
  const ServiceTable::Shard& old = before.services ? *before.services : none;
  Shard next{.services = std::move(services), .first_seen = {}};
  for (std::size_t i = 0; next.services && i < next.services->size(); ++i) {
    const ServiceTable::Entry& entry = (*next.services)[i];
    const std::size_t known = index_of(old, entry);
    if (known == old.size()) {
      next.first_seen.push_back(times_of(*entry.service, nothing, {}, now));
    } else if (old[known].service == entry.service) {
      next.first_seen.push_back(std::move(before.first_seen[known]));
    } else {
      next.first_seen.push_back(
          times_of(*entry.service, *old[known].service, before.first_seen[known], now));
    }
  }
  return next;
}

void EndpointAges::show(const EndpointFilter& filter, const EndpointVisitor& visit) const {
  for (const Shard& shard : shards_) {
    for (std::size_t i = 0; i < shard.first_seen.size(); ++i) {
      const Service& service = *(*shard.services)[i].service;
      if (!filter.takes(service.namespace_, service.name)) {
        continue;
      }
      auto first_seen = shard.first_seen[i].begin();
      for (const ServicePort& port : service.ports) {
        for (const Endpoint& endpoint : port.endpoints) {
          visit({.service_namespace = service.namespace_,
                 .service = service.name,
                 .port = port.number,
                 .address = endpoint_text(endpoint.address),
                 .pod = endpoint.pod,
                 .first_seen = *first_seen++});
        }
      }
    }
  }
}

}  // namespace router::control
