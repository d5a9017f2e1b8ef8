// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/service_table.hpp"

#include "router/control/snapshot.hpp"

#include <functional>
#include <utility>

#include <boost/smart_ptr/make_shared.hpp>

namespace router {
namespace {

/// Whether that is its `full_name`.
bool is_named(const Service& service, std::string_view name) noexcept {
  const std::size_t dot = service.name.size();
  return name.size() == dot + 1 + service.namespace_.size() && name[dot] == '.' &&
         name.starts_with(service.name) && name.ends_with(service.namespace_);
}

/// Where the Service of that name is in its shard, or would be.
ServiceTable::Shard::const_iterator place_of(const ServiceTable::Shard& shard,
                                             std::size_t hash,
                                             std::string_view name) noexcept {
  const auto first = std::lower_bound(
      shard.begin(), shard.end(), hash, [](const ServiceTable::Entry& entry, std::size_t wanted) {
        return entry.hash < wanted;
      });
  return std::find_if(first, shard.end(), [hash, name](const ServiceTable::Entry& entry) {
    return entry.hash != hash || is_named(*entry.service, name);
  });
}

bool is_at(const ServiceTable::Shard& shard,
           ServiceTable::Shard::const_iterator place,
           std::size_t hash) noexcept {
  return place != shard.end() && place->hash == hash;
}

std::size_t hash_of(std::string_view name) noexcept {
  return std::hash<std::string_view>{}(name);
}

}  // namespace

std::string full_name(const Service& service) {
  return service.name + "." + service.namespace_;
}

const Service* ServiceTable::find(std::string_view name) const noexcept {
  const std::size_t hash = hash_of(name);
  const ShardPtr& shard = shards_[hash % kShards];
  if (!shard) {
    return nullptr;
  }
  const auto place = place_of(*shard, hash, name);
  return is_at(*shard, place, hash) ? place->service.get() : nullptr;
}

const Service* ServiceTable::with_port(ClusterId id) const noexcept {
  const PortShard* const ports = ports_in(id / kPortsInShard);
  return ports == nullptr ? nullptr : (*ports)[id % kPortsInShard];
}

void ServiceTable::put(ServicePtr service) {
  const std::string name = full_name(*service);
  const std::size_t hash = hash_of(name);
  ShardPtr& shard = shards_[hash % kShards];
  Shard next = shard ? *shard : Shard{};
  const auto place = next.begin() + (place_of(next, hash, name) - next.cbegin());
  if (is_at(next, place, hash)) {
    set_ports(*place->service, nullptr);
    set_ports(*service, service.get());
    place->service = std::move(service);
  } else {
    set_ports(*service, service.get());
    next.insert(place, {.hash = hash, .service = std::move(service)});
    ++size_;
  }
  shard = boost::make_shared<const Shard>(std::move(next));
}

void ServiceTable::erase(std::string_view name) {
  const std::size_t hash = hash_of(name);
  ShardPtr& shard = shards_[hash % kShards];
  if (!shard) {
    return;
  }
  const auto place = place_of(*shard, hash, name);
  if (!is_at(*shard, place, hash)) {
    return;
  }
  set_ports(*place->service, nullptr);
  Shard next{shard->begin(), place};
  next.insert(next.end(), place + 1, shard->end());
  --size_;
  shard = next.empty() ? nullptr : boost::make_shared<const Shard>(std::move(next));
}

/// The ports of `service` are those of `owner`, or of none.
void ServiceTable::set_ports(const Service& service, const Service* owner) {
  for (const ServicePort& port : service.ports) {
    const std::size_t i = port.id / kPortsInShard;
    by_port_.resize(std::max(by_port_.size(), i + 1));
    auto next =
        by_port_[i] ? boost::make_shared<PortShard>(*by_port_[i]) : boost::make_shared<PortShard>();
    (*next)[port.id % kPortsInShard] = owner;
    by_port_[i] = std::move(next);
  }
}

}  // namespace router
