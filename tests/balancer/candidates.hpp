// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "balancer/candidate.hpp"
#include "balancer/peak_ewma.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace test {

/// Candidates with these identifiers, of equal weight, idle.
inline std::vector<balancer::Candidate> candidates_of(const std::vector<std::uint64_t>& ids) {
  std::vector<balancer::Candidate> candidates;
  for (const std::uint64_t id : ids) {
    candidates.push_back({.id = id});
  }
  return candidates;
}

/// As many as there are weights, with identifiers from 0.
inline std::vector<balancer::Candidate> weighted(const std::vector<double>& weights) {
  std::vector<balancer::Candidate> candidates;
  for (const double weight : weights) {
    candidates.push_back({.id = candidates.size(), .weight = weight});
  }
  return candidates;
}

/// The same as a selection.
class WeightedSelection {
 public:
  explicit WeightedSelection(const std::vector<double>& weights) : candidates_{weighted(weights)} {
    balancer::sum_up_weights(candidates_, sums_);
  }
  [[nodiscard]] balancer::Selection selection(
      const balancer::Eligibility* eligibility = nullptr) const {
    return {.candidates = candidates_, .eligibility = eligibility, .weight_sums = sums_};
  }

 private:
  std::vector<balancer::Candidate> candidates_;
  std::vector<double> sums_;
};

/// A long run of replies that all took `rtt`, 10 ms apart, ending at `end`.
inline balancer::PeakEwma steady(balancer::Nanoseconds rtt, balancer::TimePoint end) {
  balancer::PeakEwma latency{std::chrono::seconds{10}};
  for (int i = 500; i >= 0; --i) {
    latency.observe(rtt, end - i * std::chrono::milliseconds{10});
  }
  return latency;
}

/// All may be chosen but these indexes.
class AllBut final : public balancer::Eligibility {
 public:
  AllBut(std::initializer_list<std::size_t> left_out) : left_out_{left_out} {}
  [[nodiscard]] bool may_choose(std::size_t index) const noexcept override {
    return std::find(left_out_.begin(), left_out_.end(), index) == left_out_.end();
  }

 private:
  std::vector<std::size_t> left_out_;
};

}  // namespace test
