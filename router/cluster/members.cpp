// SPDX-License-Identifier: Apache-2.0
// The part of a cluster that follows the snapshots: which endpoints it has, and who is told of
// them.
#include "balancer/subset.hpp"
#include "router/cluster/cluster.hpp"

#include <algorithm>
#include <utility>

namespace router {
namespace {

/// Whether they are the same pod's, so that what is known of one holds for the other.
bool is_same_pod(const Endpoint& a, const Endpoint& b) {
  return a.address == b.address && a.pod == b.pod && a.hostname == b.hostname;
}

}  // namespace

void Cluster::adopt(const ServicePort* port) {
  static const std::vector<Endpoint> none;
  if (port != nullptr) {
    policy_ = port->policy;
    chooser_.apply(policy_);
    weigher_.apply(policy_.slow_start);
    ejector_.apply(policy_.ejection);
    retry_timing_.apply(policy_.retries);
  }
  const std::vector<Endpoint>& all = port != nullptr ? port->endpoints : none;
  const bool is_too_many = policy_.subset_size > 0 && all.size() > policy_.subset_size;
  const std::vector<Endpoint> subset = is_too_many ? subset_of(all) : none;
  const std::vector<Endpoint>& wanted = is_too_many ? subset : all;
  has_spares_ = std::any_of(
      wanted.begin(), wanted.end(), [](const Endpoint& endpoint) { return endpoint.is_spare; });
  apply_limits();
  for (const auto* const list : {&endpoints_, &unselected_}) {
    for (const auto& endpoint : *list) {
      endpoint->apply(policy_);
    }
  }
  // The new first: what waited for an endpoint that goes is sent to another at once.
  const bool has_new = add_new(wanted);
  list_candidates();
  retire_missing(wanted);
  if (has_new) {
    all_failed_at_.reset();
  }
  if (has_new || endpoints_.empty()) {
    wake_waiters();
  }
  room_.serve_all();
}

/// So many of those that are no spare ones, and as many of these.
std::vector<Endpoint> Cluster::subset_of(const std::vector<Endpoint>& all) const {
  std::vector<Endpoint> subset;
  for (const bool is_spare : {false, true}) {
    std::vector<const Endpoint*> group;
    std::vector<std::uint64_t> hashes;
    for (const Endpoint& endpoint : all) {
      if (endpoint.is_spare == is_spare) {
        group.push_back(&endpoint);
        hashes.push_back(ClusterEndpoint::hash_of(endpoint));
      }
    }
    for (const std::size_t index :
         balancer::subset_of(hashes, shared_.router(), policy_.subset_size)) {
      subset.push_back(*group[index]);
    }
  }
  std::sort(subset.begin(), subset.end(), [](const Endpoint& a, const Endpoint& b) {
    return a.address < b.address;
  });
  return subset;
}

/// Whether the requests of each endpoint are counted for all workers.
bool Cluster::is_each_counted() const noexcept {
  return policy_.endpoint_limit > 0 || has_spares_;
}

void Cluster::apply_limits() {
  for (const auto& endpoint : endpoints_) {
    endpoint->count_for_all(is_each_counted());
  }
  queue_.apply(policy_.queue_requests);
  room_.apply(policy_.concurrency_limit,
              policy_.concurrency_limit > 0 || policy_.endpoint_limit > 0);
}

void Cluster::list_candidates() {
  std::vector<balancer::Candidate> candidates;
  candidates.reserve(endpoints_.size());
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    ClusterEndpoint& endpoint = *endpoints_[i];
    endpoint.index_ = i;
    endpoint.weighed_.configured = endpoint.endpoint_.weight;
    candidates.push_back({.latency = &endpoint.latency_,
                          .in_flight = endpoint.in_flight_,
                          .id = endpoint.id_,
                          .hash = endpoint.hash_,
                          .weight = endpoint.endpoint_.weight,
                          .fixed_weight = endpoint.endpoint_.weight});
  }
  chooser_.adopt(std::move(candidates));
  std::vector<Weighed*> weighed;
  weighed.reserve(endpoints_.size());
  for (const auto& endpoint : endpoints_) {
    weighed.push_back(&endpoint->weighed_);
  }
  weigher_.adopt(std::move(weighed), context_.loop.now());
  weigh();
  share_endpoints();
  list_members();
}

void Cluster::list_members() {
  std::vector<Ejector::Member> members;
  members.reserve(endpoints_.size());
  for (const auto& endpoint : endpoints_) {
    members.push_back({.health = &endpoint->health_,
                       .endpoint = &endpoint->endpoint_,
                       .shared = endpoint->shared_.get()});
  }
  ejector_.adopt(std::move(members));
}

void Cluster::share_endpoints() {
  std::vector<ClusterEndpoint*> unshared;
  std::vector<EndpointKey> keys;
  for (const auto& endpoint : endpoints_) {
    if (!endpoint->shared_) {
      unshared.push_back(endpoint.get());
      keys.push_back({endpoint->endpoint().address, endpoint->hash_});
    }
  }
  std::vector<SharedEndpointPtr> shared = shared_.try_share(keys);
  are_all_shared_ = shared.size() == unshared.size();
  for (std::size_t i = 0; i < shared.size(); ++i) {
    unshared[i]->shared_ = std::move(shared[i]);
    unshared[i]->count_for_all(is_each_counted());
  }
}

void Cluster::retire_missing(const std::vector<Endpoint>& wanted) {
  const auto first_missing =
      std::stable_partition(endpoints_.begin(), endpoints_.end(), [&wanted](const auto& have) {
        const auto place = std::lower_bound(
            wanted.begin(), wanted.end(), have->endpoint(), [](const auto& a, const auto& b) {
              return a.address < b.address;
            });
        return place != wanted.end() && is_same_pod(*place, have->endpoint());
      });
  if (first_missing == endpoints_.end()) {
    return;  // the list holds, and to fill a hash ring anew would cost a millisecond
  }
  std::vector<std::unique_ptr<ClusterEndpoint>> missing{std::make_move_iterator(first_missing),
                                                        std::make_move_iterator(endpoints_.end())};
  endpoints_.erase(first_missing, endpoints_.end());
  for (const auto& endpoint : missing) {
    endpoint->is_selected_ = false;
  }
  list_candidates();
  // Retiring sends the waiters elsewhere at once, so the endpoint has left the choice before.
  for (std::unique_ptr<ClusterEndpoint>& endpoint : missing) {
    unselected_.push_back(std::move(endpoint));
    unselected_.back()->retire();
  }
}

bool Cluster::add_new(const std::vector<Endpoint>& wanted) {
  const std::uint64_t first_new = next_id_;
  // Where there was none before, nobody is new beside others.
  const TimePoint came_at = endpoints_.empty() ? TimePoint{} : context_.loop.now();
  std::vector<Endpoint*> known;
  known.reserve(endpoints_.size());
  for (const auto& endpoint : endpoints_) {
    known.push_back(&endpoint->endpoint_);
  }
  std::sort(known.begin(), known.end(), [](const Endpoint* a, const Endpoint* b) {
    return a->address < b->address;
  });
  for (const Endpoint& endpoint : wanted) {
    const auto place = std::lower_bound(
        known.begin(), known.end(), endpoint, [](const Endpoint* have, const Endpoint& each) {
          return have->address < each.address;
        });
    if (place == known.end() || !is_same_pod(**place, endpoint)) {
      const auto& added = endpoints_.emplace_back(
          std::make_unique<ClusterEndpoint>(context_, next_id_++, endpoint, policy_, *this));
      added->weighed_.came_at = came_at;
    } else {
      (*place)->is_spare = endpoint.is_spare;
      (*place)->weight = endpoint.weight;
    }
  }
  return next_id_ != first_new;
}

void Cluster::forget_unused() {
  std::erase_if(unselected_, [](const auto& endpoint) { return endpoint->is_unused(); });
}

}  // namespace router
