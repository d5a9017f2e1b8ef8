// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/cluster.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace router {

Cluster::Cluster(const PoolContext& context,
                 const ServicePort& port,
                 SharedPort& shared,
                 std::uint32_t seed)
    : context_{context},
      shared_{shared},
      own_traffic_{shared.add_worker()},
      port_number_{port.number},
      policy_{port.policy},
      retry_timing_{port.policy.retries, seed},
      chooser_{port.policy, seed},
      ejector_{context, port.policy.ejection, shared, seed} {
  adopt(&port);
}

Cluster::~Cluster() = default;

void Cluster::adopt(const ServicePort* port) {
  static const std::vector<Endpoint> none;
  const std::vector<Endpoint>& wanted = port != nullptr ? port->endpoints : none;
  if (port != nullptr) {
    policy_ = port->policy;
    chooser_.apply(policy_);
    ejector_.apply(policy_.ejection);
    retry_timing_.apply(policy_.retries);
  }
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
}

void Cluster::wake_waiters() {
  EndpointWaiterList waiters;
  waiters.swap(waiters_);  // one that fails again may wait again
  while (!waiters.empty()) {
    EndpointWaiter& waiter = waiters.front();
    waiters.pop_front();
    waiter.on_new_endpoints();
  }
}

bool Cluster::wait_for_others(EndpointWaiter& waiter) {
  const TimePoint now = context_.loop.now();
  if (!all_failed_at_) {
    all_failed_at_ = now;
  }
  const bool is_down = now >= *all_failed_at_ + policy_.queue_timeout;
  if (is_down || endpoints_.empty() ||
      std::any_of(endpoints_.begin(), endpoints_.end(), [](const auto& endpoint) {
        return endpoint->is_connected();
      })) {
    return false;
  }
  waiters_.push_back(waiter);
  return true;
}

void Cluster::list_candidates() {
  std::vector<balancer::Candidate> candidates;
  candidates.reserve(endpoints_.size());
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    ClusterEndpoint& endpoint = *endpoints_[i];
    endpoint.index_ = i;
    candidates.push_back({.latency = &endpoint.latency_,
                          .in_flight = endpoint.in_flight_,
                          .id = endpoint.id_,
                          .hash = endpoint.hash_});
  }
  chooser_.adopt(std::move(candidates));
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
  }
}

void Cluster::retire_missing(const std::vector<Endpoint>& wanted) {
  const auto first_missing =
      std::stable_partition(endpoints_.begin(), endpoints_.end(), [&wanted](const auto& have) {
        const auto place = std::lower_bound(
            wanted.begin(), wanted.end(), have->endpoint(), [](const auto& a, const auto& b) {
              return a.address < b.address;
            });
        return place != wanted.end() && *place == have->endpoint();
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
  std::vector<const Endpoint*> known;
  known.reserve(endpoints_.size());
  for (const auto& endpoint : endpoints_) {
    known.push_back(&endpoint->endpoint());
  }
  std::sort(known.begin(), known.end(), [](const Endpoint* a, const Endpoint* b) {
    return a->address < b->address;
  });
  for (const Endpoint& endpoint : wanted) {
    const auto place = std::lower_bound(
        known.begin(), known.end(), endpoint, [](const Endpoint* have, const Endpoint& each) {
          return have->address < each.address;
        });
    if (place == known.end() || **place != endpoint) {
      endpoints_.push_back(
          std::make_unique<ClusterEndpoint>(context_, next_id_++, endpoint, policy_, *this));
    }
  }
  return next_id_ != first_new;
}

void Cluster::forget_unused() {
  std::erase_if(unselected_, [](const auto& endpoint) { return endpoint->is_unused(); });
}

/// Those that one request has not tried, as far down as `resort`.
class Cluster::Admitted final : public balancer::Eligibility {
 public:
  Admitted(const Cluster& cluster,
           std::span<const std::uint64_t> tried,
           balancer::Resort resort,
           TimePoint now)
      : endpoints_{cluster.endpoints_},
        outliers_{cluster.ejector_.outliers()},
        tried_{tried},
        resort_{resort},
        now_{now} {}

  [[nodiscard]] bool may_choose(std::size_t index) const noexcept override {
    return outliers_.admits(index, resort_, now_) &&
           std::find(tried_.begin(), tried_.end(), endpoints_[index]->id()) == tried_.end();
  }

 private:
  const std::vector<std::unique_ptr<ClusterEndpoint>>& endpoints_;
  const balancer::Outliers& outliers_;
  std::span<const std::uint64_t> tried_;
  balancer::Resort resort_;
  TimePoint now_;
};

ClusterEndpoint* Cluster::acquire(std::span<const std::uint64_t> tried,
                                  std::optional<std::uint64_t> key) {
  const std::optional<std::size_t> chosen = choose(tried, key);
  return chosen ? &take(*chosen) : nullptr;
}

ClusterEndpoint* Cluster::acquire_in_service(std::span<const std::uint64_t> tried,
                                             std::optional<std::uint64_t> key) {
  const TimePoint now = context_.loop.now();
  const Admitted in_service{*this, tried, balancer::Resort::in_service, now};
  const std::optional<std::size_t> chosen = chooser_.choose(&in_service, key, now);
  return chosen ? &take(*chosen) : nullptr;
}

std::optional<std::size_t> Cluster::choose(std::span<const std::uint64_t> tried,
                                           std::optional<std::uint64_t> key) {
  const TimePoint now = context_.loop.now();
  const balancer::Outliers& outliers = ejector_.outliers();
  if (!are_all_shared_) {
    share_endpoints();
    list_members();
  }
  ejector_.follow_others();
  if (tried.empty() && outliers.n_ejected() == 0 && !ejector_.is_any_left_alone()) {
    return chooser_.choose(nullptr, key, now);
  }
  // Not one that has failed already: it deserves better than to be tried on a doubtful endpoint.
  if (const auto probed = tried.empty() ? ejector_.take_probe() : std::nullopt) {
    return probed;
  }
  if (outliers.is_panic()) {
    context_.service_metrics.panic_requests.add();
  } else {
    const Admitted in_service{*this, tried, balancer::Resort::in_service, now};
    if (const auto chosen = chooser_.choose(&in_service, key, now)) {
      return chosen;
    }
  }
  for (const balancer::Resort resort : {balancer::Resort::reachable, balancer::Resort::any}) {
    const Admitted admitted{*this, tried, resort, now};
    if (const auto chosen = chooser_.choose(&admitted, key, now)) {
      return chosen;
    }
  }
  return std::nullopt;
}

ClusterEndpoint& Cluster::acquire_at(const boost::asio::ip::tcp::endpoint& address) {
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i]->endpoint().address == address) {
      return take(i);
    }
  }
  ClusterEndpoint& endpoint = unselected_at(address);
  endpoint.is_named_ = true;
  endpoint.count_request();
  return endpoint;
}

ClusterEndpoint& Cluster::unselected_at(const boost::asio::ip::tcp::endpoint& address) {
  const auto known =
      std::find_if(unselected_.begin(), unselected_.end(), [&address](const auto& have) {
        return have->endpoint().address == address;
      });
  if (known != unselected_.end()) {
    return **known;
  }
  Endpoint endpoint{.address = address, .pod = address.address().to_string()};
  ClusterEndpoint& made = *unselected_.emplace_back(
      std::make_unique<ClusterEndpoint>(context_, next_id_++, std::move(endpoint), policy_, *this));
  made.is_selected_ = false;
  return made;
}

ClusterEndpoint& Cluster::take(std::size_t index) {
  ClusterEndpoint& endpoint = *endpoints_[index];
  endpoint.count_request();
  chooser_.set_in_flight(index, endpoint.in_flight_);
  return endpoint;
}

void Cluster::release(ClusterEndpoint& endpoint, const AttemptOutcome& outcome) {
  const TimePoint now = context_.loop.now();
  --endpoint.in_flight_;
  if (endpoint.is_selected_) {
    chooser_.set_in_flight(endpoint.index_, endpoint.in_flight_);
    judge(endpoint, outcome);
  }
  switch (outcome.kind) {
    case AttemptOutcome::Kind::unsent:
    case AttemptOutcome::Kind::refusal:
      break;
    case AttemptOutcome::Kind::reply:
      all_failed_at_.reset();
      endpoint.latency_.observe(outcome.took, now);
      retry_timing_.on_reply(outcome.took);
      break;
    case AttemptOutcome::Kind::failure:
      ++endpoint.failures_;
      endpoint.latency_.observe_failure(outcome.took, now);
      break;
    case AttemptOutcome::Kind::silence:
      endpoint.latency_.observe_silence(outcome.took, now);
      retry_timing_.on_silence(outcome.took);
      break;
  }
}

void Cluster::judge(ClusterEndpoint& endpoint, const AttemptOutcome& outcome) {
  switch (outcome.kind) {
    case AttemptOutcome::Kind::unsent:
      ejector_.on_nothing_learnt(endpoint.index_, outcome.took);
      break;
    case AttemptOutcome::Kind::reply:
      ejector_.on_reply(endpoint.index_, outcome.took);
      break;
    case AttemptOutcome::Kind::failure:
      ejector_.on_failure(endpoint.index_, outcome.took);
      if (outcome.asked_pause) {
        ejector_.leave_alone(endpoint.index_, *outcome.asked_pause);
      }
      break;
    case AttemptOutcome::Kind::refusal:
      ejector_.on_nothing_learnt(endpoint.index_, outcome.took);
      ejector_.leave_alone(endpoint.index_, kRefusalPause);
      break;
    case AttemptOutcome::Kind::silence:
      break;  // if it was the probe, the next one goes when that would have been over, too
  }
}

void Cluster::on_good_head(ClusterEndpoint& endpoint, std::chrono::nanoseconds took) {
  if (endpoint.is_selected_ && endpoint.health_.is_ejected()) {
    ejector_.on_reply(endpoint.index_, took);
  }
}

bool Cluster::has_retry_budget() const noexcept {
  const balancer::RetryBudget& budget = policy_.retries.budget;
  const SharedPort::Traffic lately = shared_.traffic(context_.loop.now(), budget.window);
  return budget.allows_one_more(lately.requests, lately.retries);
}

void Cluster::on_connect_failed(ClusterEndpoint& endpoint) {
  if (endpoint.is_selected_) {
    ejector_.on_connect_failed(endpoint.index_);
  }
}

void Cluster::on_connect_succeeded(ClusterEndpoint& endpoint) {
  if (endpoint.is_selected_) {
    ejector_.on_connected(endpoint.index_);
  }
  wake_waiters();  // it is there, though it did not take their requests
}

void Cluster::describe(std::vector<EndpointView>& views) const {
  for (const auto* const list : {&endpoints_, &unselected_}) {
    for (const auto& endpoint : *list) {
      EndpointView& view = views.emplace_back();
      view.service_namespace = context_.service_metrics.service_namespace;
      view.service = context_.service_metrics.service;
      view.port = port_number_;
      endpoint->describe(view);
    }
  }
}

}  // namespace router
