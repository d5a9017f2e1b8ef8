// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/outlier.hpp"
#include "router/control/snapshot.hpp"
#include "router/pool/pool.hpp"
#include "router/route/policy.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace router {

/// Ejection in one cluster: tells the balancer how requests ended, and counts and logs what it
/// decides.
///
/// Each core judges by what it has seen itself.
class Ejector {
 public:
  /// One endpoint; both outlive their use.
  struct Member {
    balancer::Health* health;
    const Endpoint* endpoint;
  };

  Ejector(const PoolContext& context, const EjectionPolicy& policy, std::uint32_t seed);

  void apply(const EjectionPolicy& policy);
  /// From here on these are the endpoints, in this order.
  void adopt(std::vector<Member> members);

  void on_reply(std::size_t index, std::chrono::nanoseconds took);
  void on_failure(std::size_t index, std::chrono::nanoseconds took);
  void on_nothing_learnt(std::size_t index, std::chrono::nanoseconds took);
  void on_connect_failed(std::size_t index);
  void on_connected(std::size_t index);

  /// An endpoint whose penalty is over: the request that is asked for must go there, as its probe.
  [[nodiscard]] std::optional<std::size_t> take_probe();
  [[nodiscard]] const balancer::Outliers& outliers() const noexcept { return outliers_; }

 private:
  void compare();
  /// Counts and logs.
  void tell(const balancer::Ejection& ejection);
  void tell_of_return(std::size_t index);
  void show();
  [[nodiscard]] std::string name_of(std::size_t index) const;

  PoolContext context_;
  balancer::Outliers outliers_;
  std::vector<Member> members_;
};

}  // namespace router
