// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/outlier.hpp"
#include "router/cluster/shared_port.hpp"
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
/// What one worker decides holds for all, and failures in a row count wherever they are seen. The
/// comparisons of success rates and latencies are each worker's own. Two workers that eject
/// different endpoints in the same moment may exceed `max_percent` by one each.
class Ejector {
 public:
  /// One endpoint; all outlive their use.
  struct Member {
    balancer::Health* health;
    const Endpoint* endpoint;
    SharedEndpoint* shared;  ///< null: this worker decides by itself
  };

  Ejector(const PoolContext& context,
          const EjectionPolicy& policy,
          SharedPort& shared,
          std::uint32_t seed);

  void apply(const EjectionPolicy& policy);
  /// From here on these are the endpoints, in this order.
  void adopt(std::vector<Member> members);
  /// Takes over what other workers have decided. One load, but for then: O(n).
  void follow_others();

  /// Of requests that were sent at `sent_at`.
  void on_reply(std::size_t index, TimePoint sent_at, std::chrono::nanoseconds took);
  void on_failure(std::size_t index, TimePoint sent_at);
  void on_nothing_learnt(std::size_t index, TimePoint sent_at);
  void on_connect_failed(std::size_t index);
  void on_connected(std::size_t index);
  /// Sends nothing there for so long while another endpoint is left; `max_penalty` at most, since
  /// what a pod asks for in error must not take it out for days.
  void leave_alone(std::size_t index, std::chrono::nanoseconds duration);
  [[nodiscard]] bool is_any_left_alone() const noexcept {
    return any_alone_until_ > context_.loop.now();
  }

  /// An endpoint whose penalty is over: the request that is asked for must go there, as its probe.
  [[nodiscard]] std::optional<std::size_t> take_probe();
  [[nodiscard]] const balancer::Outliers& outliers() const noexcept { return outliers_; }

 private:
  void compare();
  void take_over(std::size_t index);
  /// Lets the others take over what is decided here.
  void post(std::size_t index);
  /// Counts and logs.
  void tell(const balancer::Ejection& ejection);
  void tell_of_return(std::size_t index);
  void show();
  [[nodiscard]] std::string name_of(std::size_t index) const;

  PoolContext context_;
  SharedPort& shared_;
  std::chrono::nanoseconds max_penalty_;
  balancer::Outliers outliers_;
  std::vector<Member> members_;
  std::uint32_t verdict_version_ = 0;  ///< of `shared_`, up to which the others were followed
  TimePoint any_alone_until_{};        ///< no endpoint is left alone from then on
};

}  // namespace router
