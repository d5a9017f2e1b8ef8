// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>

/// Endpoint selection. Pure: no I/O, no clock, no global state. The caller passes the time and the
/// random source in, so every decision can be replayed from a seed.
namespace balancer {

using TimePoint = std::chrono::steady_clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;
using Rng = std::minstd_rand;

class PeakEwma;

/// What the policies know of one endpoint.
struct Candidate {
  const PeakEwma* latency = nullptr;  ///< not owned; outlives the candidate
  std::uint32_t in_flight = 0;        ///< requests sent, not yet ended
  std::uint64_t id = 0;               ///< distinct; the same for the same endpoint over its life
  std::uint64_t hash = 0;             ///< of what names it: the same on every node
  double weight = 1;                  ///< how much it can take beside the others; above 0
};

/// Who may be chosen this time. Asked only of those that a policy comes across.
class Eligibility {
 public:
  [[nodiscard]] virtual bool may_choose(std::size_t index) const noexcept = 0;

 protected:
  ~Eligibility() = default;
};

/// What one choice is made from.
struct Selection {
  std::span<const Candidate> candidates;
  const Eligibility* eligibility = nullptr;  ///< null: every candidate may be chosen

  [[nodiscard]] bool allows(std::size_t index) const noexcept {
    return eligibility == nullptr || eligibility->may_choose(index);
  }
};

/// Draws before all candidates are looked at: with half of them left out, one choice in 256 does.
inline constexpr int kDraws = 8;

/// Two distinct ones of those that may be chosen, at random and all alike, for the power of two
/// choices. The same one twice if no other may be chosen, `nullopt` if none may. O(1) while most of
/// them may be chosen.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> draw_two(
    const Selection& selection, Rng& rng) noexcept;

}  // namespace balancer
