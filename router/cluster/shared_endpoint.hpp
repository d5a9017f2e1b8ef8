// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/outlier.hpp"
#include "router/cluster/shared_count.hpp"
#include "router/worker/timer_wheel.hpp"

#include <atomic>
#include <cstdint>
#include <memory>

namespace router {

/// A verdict in one word, so that it is posted and read whole. Times are kept to a microsecond.
using VerdictWord = std::uint64_t;
[[nodiscard]] VerdictWord pack(const balancer::Verdict& verdict) noexcept;

/// What the workers share about one endpoint of a Service port. Any thread.
class SharedEndpoint {
 public:
  /// A failure of the endpoint. How many there have been in a row on all workers, this one
  /// included.
  [[nodiscard]] std::uint32_t count_failure() noexcept {
    return failures_in_row_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  /// A good reply, or what came of the row. Writes only if there was one: in a Service that is well
  /// all workers read the same line, and none of them takes it from the others.
  void end_row() noexcept {
    if (failures_in_row_.load(std::memory_order_relaxed) != 0) {
      failures_in_row_.store(0, std::memory_order_relaxed);
    }
  }

  /// What was posted last; 0: nothing yet.
  [[nodiscard]] VerdictWord verdict_word() const noexcept {
    return verdict_.load(std::memory_order_acquire);
  }
  [[nodiscard]] balancer::Verdict verdict() const noexcept;
  void post(const balancer::Verdict& verdict) noexcept;
  /// Posts only if the verdict is still `expected`: of several workers that see that a probe is
  /// due, one sends it.
  [[nodiscard]] bool post_if(VerdictWord expected, const balancer::Verdict& verdict) noexcept;

  /// Of those workers that count them.
  [[nodiscard]] SharedCount& in_flight() noexcept { return in_flight_; }

  /// The endpoint has asked to be left alone until then.
  void leave_alone_until(TimePoint until) noexcept;
  [[nodiscard]] TimePoint alone_until() const noexcept {
    return TimePoint{TimePoint::duration{alone_until_.load(std::memory_order_relaxed)}};
  }

 private:
  friend class SharedPort;
  friend struct LetGo;

  std::atomic<std::uint32_t> n_users_{0};  ///< clusters that hold it; grows in the port's roster
  std::atomic<std::uint32_t> failures_in_row_{0};
  std::atomic<VerdictWord> verdict_{0};
  std::atomic<double> slow_above_ns_{0};
  std::atomic<TimePoint::rep> alone_until_{0};
  SharedCount in_flight_;
};

/// The roster forgets a record that nobody holds.
struct LetGo {
  void operator()(SharedEndpoint* record) const noexcept {
    record->n_users_.fetch_sub(1, std::memory_order_release);
  }
};
/// Owned by the roster of its SharedPort, which outlives it.
using SharedEndpointPtr = std::unique_ptr<SharedEndpoint, LetGo>;

}  // namespace router
