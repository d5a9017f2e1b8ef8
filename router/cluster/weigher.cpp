// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/weigher.hpp"

#include "balancer/slow_start.hpp"

#include <algorithm>
#include <utility>

namespace router {
namespace {

/// In so many steps an endpoint comes to its whole share: small ones, and few for the shortest.
constexpr int kSlowStartSteps = 10;

}  // namespace

void Weigher::adopt(std::vector<Weighed*> endpoints, TimePoint now) {
  endpoints_ = std::move(endpoints);
  weights_.clear();  // they were of others
  due_at_ = now;
}

void Weigher::observe(std::size_t index, const LoadReport& report, TimePoint now) {
  endpoints_[index]->reported.observe(
      report.requests_per_second, report.errors_per_second, report.utilization, now);
  due_at_ = std::min(due_at_, now + balancer::ReportedWeight::kUpdatePeriod);
}

std::span<const double> Weigher::weights(TimePoint now) {
  weights_.clear();
  bool is_any_reported = false;
  bool is_any_new = false;
  for (const Weighed* const endpoint : endpoints_) {
    weights_.push_back(endpoint->reported.weight(now).value_or(0));
    is_any_reported = is_any_reported || endpoint->reported.is_fresh(now);
    is_any_new = is_any_new || now - endpoint->came_at < slow_start_;
  }
  balancer::level(weights_);
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    weights_[i] *= balancer::slow_start_share(now - endpoints_[i]->came_at, slow_start_) *
                   endpoints_[i]->configured;
  }
  const std::chrono::nanoseconds step = slow_start_ / kSlowStartSteps;
  const std::chrono::nanoseconds period = balancer::ReportedWeight::kUpdatePeriod;
  due_at_ = is_any_new        ? now + std::min(period, step)
            : is_any_reported ? now + period
                              : TimePoint::max();
  return weights_;
}

}  // namespace router
