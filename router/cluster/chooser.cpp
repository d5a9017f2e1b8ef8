// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/chooser.hpp"

#include "balancer/least_request.hpp"

#include <utility>

namespace router {

Chooser::Chooser(const Policy& policy, std::uint32_t seed) : kind_{policy.balancer}, rng_{seed} {
  begin();
}

void Chooser::begin() {
  switch (kind_) {
    case BalancerKind::peak_ewma:
      state_.emplace<balancer::PeakEwmaPolicy>();
      break;
    case BalancerKind::least_request:
      state_.emplace<NoState>();
      break;
    case BalancerKind::round_robin:
      state_.emplace<balancer::RoundRobin>();
      break;
    case BalancerKind::random:
      state_.emplace<balancer::Random>();
      break;
  }
  tell_candidates();
}

void Chooser::apply(const Policy& policy) {
  if (std::exchange(kind_, policy.balancer) != policy.balancer) {
    begin();
  }
}

void Chooser::adopt(std::vector<balancer::Candidate> candidates) {
  candidates_ = std::move(candidates);
  tell_candidates();
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
                                           balancer::TimePoint now) {
  const balancer::Selection selection{.candidates = candidates_, .eligibility = eligibility};
  switch (kind_) {
    case BalancerKind::peak_ewma:
      return std::get<balancer::PeakEwmaPolicy>(state_).pick(selection, now, rng_);
    case BalancerKind::least_request:
      return balancer::pick_least_request(selection, rng_);
    case BalancerKind::round_robin:
      return std::get<balancer::RoundRobin>(state_).pick(selection);
    case BalancerKind::random:
      return std::get<balancer::Random>(state_).pick(selection, rng_);
  }
  return std::nullopt;
}

}  // namespace router
