// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"
#include "balancer/load_bound.hpp"
#include "balancer/maglev.hpp"
#include "balancer/peak_ewma_policy.hpp"
#include "balancer/ring_hash.hpp"
#include "balancer/round_robin.hpp"
#include "router/route/policy.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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

  /// In the order of the candidates. Their fixed weights stay as they came with `adopt`, where the
  /// policies that go by a hash fill their ring or table by them.
  void set_weights(std::span<const double> weights);
  void set_in_flight(std::size_t index, std::uint32_t n_requests) noexcept;

  /// An index into the candidates, or nothing if none may be chosen. `eligibility` as in
  /// `balancer::Selection`; `key` counts for the policies that go by a hash, which choose at random
  /// without one.
  [[nodiscard]] std::optional<std::size_t> choose(const balancer::Eligibility* eligibility,
                                                  std::optional<std::uint64_t> key,
                                                  balancer::TimePoint now);

 private:
  /// Of a policy that needs none.
  struct NoState {};

  void begin();
  void tell_candidates();
  template <class HashPolicy>
  [[nodiscard]] std::optional<std::size_t> choose_by_hash(const balancer::Selection& selection,
                                                          std::optional<std::uint64_t> key);

  BalancerKind kind_;
  std::variant<balancer::PeakEwmaPolicy,
               NoState,
               balancer::RoundRobin,
               balancer::RingHash,
               balancer::Maglev>
      state_;
  balancer::Rng rng_;
  balancer::LoadBound load_bound_;
  std::vector<balancer::Candidate> candidates_;
  std::vector<double> weight_sums_;  ///< of the candidates; empty while all weigh the same
  balancer::LoadBound::Load load_;   ///< of all candidates
};

}  // namespace router
