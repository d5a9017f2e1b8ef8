// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/shared_endpoint.hpp"

#include <algorithm>
#include <chrono>

namespace router {
namespace {

// From the top: the time in microseconds (56 bits, two thousand years), ejections, the cause.
constexpr unsigned kCauseBits = 3;
constexpr unsigned kEjectionBits = 5;
constexpr std::uint64_t kCauseMask = (1U << kCauseBits) - 1;
constexpr std::uint64_t kEjectionMask = (1U << kEjectionBits) - 1;

}  // namespace

VerdictWord pack(const balancer::Verdict& verdict) noexcept {
  const auto at = std::chrono::duration_cast<std::chrono::microseconds>(
      verdict.penalty_ends.time_since_epoch());
  const std::uint64_t cause = verdict.cause ? static_cast<std::uint64_t>(*verdict.cause) + 1 : 0;
  return static_cast<std::uint64_t>(at.count()) << (kCauseBits + kEjectionBits) |
         std::min<std::uint64_t>(verdict.ejections, kEjectionMask) << kCauseBits | cause;
}

balancer::Verdict SharedEndpoint::verdict() const noexcept {
  const VerdictWord word = verdict_word();
  balancer::Verdict verdict;
  if (const std::uint64_t cause = word & kCauseMask; cause != 0) {
    verdict.cause = static_cast<balancer::EjectionCause>(cause - 1);
  }
  verdict.ejections = static_cast<std::uint32_t>(word >> kCauseBits & kEjectionMask);
  verdict.penalty_ends = TimePoint{std::chrono::microseconds{word >> (kCauseBits + kEjectionBits)}};
  verdict.slow_above_ns = slow_above_ns_.load(std::memory_order_relaxed);
  return verdict;
}

void SharedEndpoint::post(const balancer::Verdict& verdict) noexcept {
  slow_above_ns_.store(verdict.slow_above_ns, std::memory_order_relaxed);
  verdict_.store(pack(verdict), std::memory_order_release);
}

bool SharedEndpoint::post_if(VerdictWord expected, const balancer::Verdict& verdict) noexcept {
  return verdict_.compare_exchange_strong(expected, pack(verdict), std::memory_order_acq_rel);
}

void SharedEndpoint::leave_alone_until(TimePoint until) noexcept {
  const TimePoint::rep wanted = until.time_since_epoch().count();
  TimePoint::rep known = alone_until_.load(std::memory_order_relaxed);
  while (known < wanted &&
         !alone_until_.compare_exchange_weak(known, wanted, std::memory_order_relaxed)) {
  }
}

}  // namespace router
