// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"
#include "balancer/peak_ewma_policy.hpp"
#include "balancer/random.hpp"
#include "balancer/round_robin.hpp"
#include "router/route/policy.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace router {

/// The balancer's policy of one Service port on one core, with its state: the one place that tells
/// the policies apart. Another one can take over at any time; it begins afresh.
class Chooser {
 public:
  Chooser(const Policy& policy, std::uint32_t seed);

  /// Takes over another policy, or other settings of the same.
  void apply(const Policy& policy);

  /// From here on these are chosen from, in this order.
  void adopt(std::vector<balancer::Candidate> candidates);

  void set_in_flight(std::size_t index, std::uint32_t n_requests) noexcept {
    candidates_[index].in_flight = n_requests;
  }

  /// An index into the candidates, or nothing if none may be chosen. `eligibility` as in
  /// `balancer::Selection`.
  [[nodiscard]] std::optional<std::size_t> choose(const balancer::Eligibility* eligibility,
                                                  balancer::TimePoint now);

 private:
  /// Of a policy that needs none.
  struct NoState {};

  void begin();
  void tell_candidates();

  BalancerKind kind_;
  std::variant<balancer::PeakEwmaPolicy, NoState, balancer::RoundRobin, balancer::Random> state_;
  balancer::Rng rng_;
  std::vector<balancer::Candidate> candidates_;
};

}  // namespace router
