// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

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
  /// The part of it that neither load nor time changes: for policies that must leave keys where
  /// they are. Above 0.
  double fixed_weight = 1;
};

/// Whether `a` has fewer requests in flight than `b`, for what they weigh. What is less than one
/// request of the lighter one is no difference: then neither has, and who is chosen is up to the
/// draw, which goes by weight. So shares follow the weights of idle endpoints, too, where the
/// heavier one of two would always seem to have more room.
[[nodiscard]] bool is_less_busy(const Candidate& a, const Candidate& b) noexcept;

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
  /// Of `sum_up_weights`, for what is drawn at random; empty: all weigh the same.
  std::span<const double> weight_sums = {};

  [[nodiscard]] bool allows(std::size_t index) const noexcept {
    return eligibility == nullptr || eligibility->may_choose(index);
  }
  /// Of all candidates, of which there is one at least.
  [[nodiscard]] double mean_weight() const noexcept {
    return weight_sums.empty() ? candidates.front().weight
                               : weight_sums.back() / static_cast<double>(weight_sums.size());
  }
};

/// Makes `sums` what the candidates weigh up to and with each of them; empty if all weigh the same,
/// so that nothing is looked up there. O(n).
void sum_up_weights(std::span<const Candidate> candidates, std::vector<double>& sums);

/// Draws before all candidates are looked at: with half of them left out, one choice in 256 does.
inline constexpr int kDraws = 8;

/// One of those that may be chosen, at random by their weights, whatever went before; `nullopt` if
/// none may. As a policy, `random`, it needs no state that several routers would have to share, and
/// never falls into step with them. O(1) while most of them may be chosen, O(log n) where weights
/// differ.
[[nodiscard]] std::optional<std::size_t> draw_one(const Selection& selection, Rng& rng) noexcept;

/// Two distinct ones, for the power of two choices: as `draw_one`, and then again among the others.
/// The same one twice if no other may be chosen, `nullopt` if none may.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> draw_two(
    const Selection& selection, Rng& rng) noexcept;

}  // namespace balancer
