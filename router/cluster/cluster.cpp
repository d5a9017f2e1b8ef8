// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/cluster.hpp"

#include "balancer/retry_budget.hpp"
#include "balancer/stable_hash.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace router {
namespace {

/// Callers are known by where their record is; its low bits are alike.
std::uint64_t number_of(const void* caller) noexcept {
  return balancer::scatter(reinterpret_cast<std::uintptr_t>(caller));
}

}  // namespace

Cluster::Cluster(const PoolContext& context,
                 const ServicePort& port,
                 SharedPort& shared,
                 std::uint32_t seed)
    : context_{context},
      shared_{shared},
      own_{shared.add_worker()},
      port_number_{port.number},
      policy_{port.policy},
      retry_timing_{port.policy.retries, seed},
      chooser_{port.policy, seed},
      ejector_{context, port.policy.ejection, shared, seed},
      room_{context, shared, own_},
      queue_{context, shared, own_} {
  adopt(&port);
}

Cluster::~Cluster() = default;

void Cluster::wake_waiters() {
  EndpointWaiterList waiters;
  waiters.swap(waiters_);  // one that fails again may wait again
  while (!waiters.empty()) {
    EndpointWaiter& waiter = waiters.front();
    waiters.pop_front();
    waiter.on_new_endpoints();
  }
}

bool Cluster::is_another_connected(std::span<const std::uint64_t> tried) const noexcept {
  if (own_.waits_for_room.load()) {
    return false;  // who gives up its place here would wait behind them
  }
  const TimePoint now = context_.loop.now();
  return std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& endpoint) {
    return endpoint->is_connected() && has_room(*endpoint) &&
           ejector_.outliers().admits(endpoint->index_, balancer::Resort::in_service, now) &&
           std::find(tried.begin(), tried.end(), endpoint->id()) == tried.end();
  });
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

void Cluster::weigh() {
  const TimePoint now = context_.loop.now();
  if (weigher_.is_due(now)) {
    chooser_.set_weights(weigher_.weights(now));
  }
}

void Cluster::on_load_report(ClusterEndpoint& endpoint, const LoadReport& report) {
  if (endpoint.is_selected_) {
    weigher_.observe(endpoint.index_, report, context_.loop.now());
  }
}

bool Cluster::admit(const void* caller) {
  if (calls_ == nullptr) {
    calls_ = &shared_.call_limit().add_part();
  }
  return shared_.call_limit().admit(*calls_, number_of(caller), context_.loop.now());
}

void Cluster::leave(const void* caller, balancer::CallEnd how, TimePoint admitted_at) {
  shared_.call_limit().leave(*calls_, number_of(caller), how, admitted_at, context_.loop.now());
}

bool Cluster::has_room(const ClusterEndpoint& endpoint) const noexcept {
  return policy_.endpoint_limit == 0 || endpoint.in_flight_of_all() < policy_.endpoint_limit;
}

bool Cluster::is_any_without_room(std::span<const std::uint64_t> tried,
                                  balancer::Resort resort) const noexcept {
  return std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& endpoint) {
    return !has_room(*endpoint) &&
           ejector_.outliers().admits(endpoint->index_, resort, context_.loop.now()) &&
           std::find(tried.begin(), tried.end(), endpoint->id()) == tried.end();
  });
}

/// Those within `reach` that one request has not tried, and that have room, as far down as
/// `resort`.
class Cluster::Admitted final : public balancer::Eligibility {
 public:
  Admitted(const Cluster& cluster,
           std::span<const std::uint64_t> tried,
           balancer::Resort resort,
           balancer::Reach reach)
      : cluster_{cluster},
        outliers_{cluster.ejector_.outliers()},
        tried_{tried},
        resort_{resort},
        reach_{reach},
        now_{cluster.context_.loop.now()} {}

  [[nodiscard]] bool may_choose(std::size_t index) const noexcept override {
    const ClusterEndpoint& endpoint = *cluster_.endpoints_[index];
    return is_within_reach(endpoint) && outliers_.admits(index, resort_, now_) &&
           cluster_.has_room(endpoint) &&
           std::find(tried_.begin(), tried_.end(), endpoint.id()) == tried_.end();
  }

 private:
  [[nodiscard]] bool is_within_reach(const ClusterEndpoint& endpoint) const noexcept {
    return reach_ == balancer::Reach::all ||
           endpoint.endpoint().is_spare == (reach_ == balancer::Reach::spare);
  }

  const Cluster& cluster_;
  const balancer::Outliers& outliers_;
  std::span<const std::uint64_t> tried_;
  balancer::Resort resort_;
  balancer::Reach reach_;
  TimePoint now_;
};

ClusterEndpoint* Cluster::acquire(std::span<const std::uint64_t> tried,
                                  std::optional<std::uint64_t> key) {
  is_full_ = !room_.try_enter();
  if (is_full_) {
    return nullptr;
  }
  while (const std::optional<std::size_t> chosen = choose(tried, key)) {
    if (ClusterEndpoint* const taken = try_take(*chosen)) {
      return taken;
    }
  }
  room_.leave_unused();
  is_full_ = is_any_without_room(tried, balancer::Resort::any);
  return nullptr;
}

ClusterEndpoint* Cluster::acquire_in_service(std::span<const std::uint64_t> tried,
                                             std::optional<std::uint64_t> key) {
  if (!room_.try_enter()) {
    return nullptr;
  }
  while (const auto chosen = choose_at(balancer::Resort::in_service, tried, key)) {
    if (ClusterEndpoint* const taken = try_take(*chosen)) {
      return taken;
    }
  }
  room_.leave_unused();
  return nullptr;
}

std::optional<std::size_t> Cluster::choose(std::span<const std::uint64_t> tried,
                                           std::optional<std::uint64_t> key) {
  const balancer::Outliers& outliers = ejector_.outliers();
  if (!are_all_shared_) {
    share_endpoints();
    list_members();
  }
  ejector_.follow_others();
  weigh();
  const bool may_be_full = policy_.endpoint_limit > 0;
  if (tried.empty() && outliers.n_ejected() == 0 && !ejector_.is_any_left_alone() && !may_be_full &&
      !has_spares_) {
    return chooser_.choose(nullptr, key, context_.loop.now());
  }
  // Not one that has failed already: it deserves better than to be tried on a doubtful endpoint.
  if (const auto probed = tried.empty() ? ejector_.take_probe() : std::nullopt) {
    return probed;
  }
  if (outliers.is_panic()) {
    context_.service_metrics.panic_requests.add();
  } else {
    if (const auto chosen = choose_at(balancer::Resort::in_service, tried, key)) {
      return chosen;
    }
    if (is_any_without_room(tried, balancer::Resort::in_service)) {
      return std::nullopt;  // better to wait for one that is well than to go to one that is not
    }
  }
  for (const balancer::Resort resort : {balancer::Resort::reachable, balancer::Resort::any}) {
    if (const auto chosen = choose_at(resort, tried, key)) {
      return chosen;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> Cluster::choose_at(balancer::Resort resort,
                                              std::span<const std::uint64_t> tried,
                                              std::optional<std::uint64_t> key) {
  if (has_spares_) {
    const Admitted preferred{*this, tried, resort, reach_at(resort)};
    if (const auto chosen = chooser_.choose(&preferred, key, context_.loop.now())) {
      return chosen;
    }
  }
  const Admitted admitted{*this, tried, resort, balancer::Reach::all};
  return chooser_.choose(&admitted, key, context_.loop.now());
}

/// Looks at each endpoint.
balancer::Reach Cluster::reach_at(balancer::Resort resort) const noexcept {
  balancer::GroupLoad own;
  balancer::GroupLoad spare;
  for (const auto& endpoint : endpoints_) {
    if (ejector_.outliers().admits(endpoint->index_, resort, context_.loop.now())) {
      (endpoint->endpoint().is_spare ? spare : own).add(endpoint->in_flight_of_all());
    }
  }
  return balancer::reach_of_next(own, spare, policy_.zone_spill_over);
}

ClusterEndpoint& Cluster::acquire_at(const boost::asio::ip::tcp::endpoint& address) {
  room_.enter();
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i]->endpoint().address == address) {
      endpoints_[i]->begin_request();
      chooser_.set_in_flight(i, endpoints_[i]->in_flight_);
      return *endpoints_[i];
    }
  }
  ClusterEndpoint& endpoint = unselected_at(address);
  endpoint.is_named_ = true;
  endpoint.begin_request();
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

ClusterEndpoint* Cluster::try_take(std::size_t index) {
  ClusterEndpoint& endpoint = *endpoints_[index];
  if (!endpoint.try_begin_request(policy_.endpoint_limit)) {
    return nullptr;
  }
  chooser_.set_in_flight(index, endpoint.in_flight_);
  if (endpoint.endpoint().is_spare) {
    context_.service_metrics.zone_spills.add();
  }
  return &endpoint;
}

void Cluster::release(ClusterEndpoint& endpoint, const AttemptOutcome& outcome) {
  const TimePoint now = context_.loop.now();
  endpoint.end_request();
  room_.leave();
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
      // Of a stream the head may have come hours ago; what came since says more.
      endpoint.latency_.observe(outcome.took, outcome.heard_at);
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
      ejector_.on_nothing_learnt(endpoint.index_, outcome.sent_at);
      break;
    case AttemptOutcome::Kind::reply:
      ejector_.on_reply(endpoint.index_, outcome.sent_at, outcome.took);
      break;
    case AttemptOutcome::Kind::failure:
      ejector_.on_failure(endpoint.index_, outcome.sent_at);
      if (outcome.asked_pause) {
        ejector_.leave_alone(endpoint.index_, *outcome.asked_pause);
      }
      break;
    case AttemptOutcome::Kind::refusal:
      ejector_.on_nothing_learnt(endpoint.index_, outcome.sent_at);
      ejector_.leave_alone(endpoint.index_, kRefusalPause);
      break;
    case AttemptOutcome::Kind::silence:
      break;  // if it was the probe, the next one goes when that would have been over, too
  }
}

void Cluster::leave_alone(ClusterEndpoint& endpoint, std::chrono::nanoseconds pause) {
  if (endpoint.is_selected_) {
    ejector_.leave_alone(endpoint.index_, pause);
  }
}

std::chrono::nanoseconds Cluster::pause_before_retry(std::span<const std::uint64_t> tried) {
  ejector_.follow_others();
  if (endpoints_.empty() || !ejector_.is_any_left_alone()) {
    return std::chrono::nanoseconds{0};
  }
  TimePoint first_of_all = TimePoint::max();
  TimePoint first_untried = TimePoint::max();
  for (const auto& endpoint : endpoints_) {
    const TimePoint until = endpoint->health_.alone_until();
    first_of_all = std::min(first_of_all, until);
    if (std::find(tried.begin(), tried.end(), endpoint->id()) == tried.end()) {
      first_untried = std::min(first_untried, until);
    }
  }
  const TimePoint first = first_untried != TimePoint::max() ? first_untried : first_of_all;
  return std::max(first - context_.loop.now(), std::chrono::nanoseconds{0});
}

void Cluster::on_good_head(ClusterEndpoint& endpoint,
                           TimePoint sent_at,
                           std::chrono::nanoseconds took) {
  if (endpoint.is_selected_ && endpoint.health_.is_ejected()) {
    ejector_.on_reply(endpoint.index_, sent_at, took);
  }
}

bool Cluster::has_retry_budget() const noexcept {
  const RetryBudgetPolicy& policy = policy_.retries.budget;
  const balancer::RetryBudget budget{
      .ratio = policy.ratio, .min_per_second = policy.min_per_second, .window = policy.window};
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
      if (endpoint->is_selected_) {
        view.weight = weigher_.last_weight(endpoint->index_);
      }
      endpoint->describe(view);
    }
  }
}

}  // namespace router
