// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/chooser.hpp"

#include "balancer/least_request.hpp"
#include "balancer/stable_hash.hpp"

#include <utility>

namespace router {

Chooser::Chooser(const Policy& policy, std::uint32_t seed)
    : kind_{policy.balancer}, rng_{seed}, load_bound_{policy.load_bound_percent} {
  begin();
}

void Chooser::begin() {
  switch (kind_) {
    case BalancerKind::peak_ewma:
      state_.emplace<balancer::PeakEwmaPolicy>();
      break;
    case BalancerKind::least_request:
    case BalancerKind::random:
      state_.emplace<NoState>();
      break;
    case BalancerKind::round_robin:
      state_.emplace<balancer::RoundRobin>();
      break;
    case BalancerKind::ring_hash:
      state_.emplace<balancer::RingHash>();
      break;
    case BalancerKind::maglev:
      state_.emplace<balancer::Maglev>();
      break;
  }
  tell_candidates();
}

void Chooser::apply(const Policy& policy) {
  load_bound_.percent = policy.load_bound_percent;
  if (std::exchange(kind_, policy.balancer) != policy.balancer) {
    begin();
  }
}

void Chooser::adopt(std::vector<balancer::Candidate> candidates) {
  candidates_ = std::move(candidates);
  load_ = {};
  for (const balancer::Candidate& candidate : candidates_) {
    load_.fixed_weight += candidate.fixed_weight;
    load_.in_flight += candidate.in_flight;
  }
  balancer::sum_up_weights(candidates_, weight_sums_);
  tell_candidates();
}

void Chooser::set_weights(std::span<const double> weights) {
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    candidates_[i].weight = weights[i];
  }
  balancer::sum_up_weights(candidates_, weight_sums_);
}

void Chooser::set_in_flight(std::size_t index, std::uint32_t n_requests) noexcept {
  load_.in_flight = load_.in_flight - candidates_[index].in_flight + n_requests;
  candidates_[index].in_flight = n_requests;
}

void Chooser::tell_candidates() {
  std::visit(
      [this](auto& state) {
        if constexpr (requires { state.adopt(candidates_); }) {
          state.adopt(candidates_);
        }
      },
      state_);
}

std::optional<std::size_t> Chooser::choose(const balancer::Eligibility* eligibility,
                                           std::optional<std::uint64_t> key,
                                           balancer::TimePoint now) {
  const balancer::Selection selection{
      .candidates = candidates_, .eligibility = eligibility, .weight_sums = weight_sums_};
  switch (kind_) {
    case BalancerKind::peak_ewma:
      return std::get<balancer::PeakEwmaPolicy>(state_).pick(selection, now, rng_);
    case BalancerKind::least_request:
      return balancer::pick_least_request(selection, rng_);
    case BalancerKind::round_robin:
      return std::get<balancer::RoundRobin>(state_).pick(selection);
    case BalancerKind::random:
      return balancer::draw_one(selection, rng_);
    case BalancerKind::ring_hash:
      return choose_by_hash<balancer::RingHash>(selection, key);
    case BalancerKind::maglev:
      return choose_by_hash<balancer::Maglev>(selection, key);
  }
  return std::nullopt;
}

template <class HashPolicy>
std::optional<std::size_t> Chooser::choose_by_hash(const balancer::Selection& selection,
                                                   std::optional<std::uint64_t> key) {
  return std::get<HashPolicy>(state_).pick(selection,
                                           key ? *key : balancer::scatter(rng_()),
                                           load_bound_.most_in_flight(selection, load_));
}

}  // namespace router
