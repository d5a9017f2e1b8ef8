// SPDX-License-Identifier: Apache-2.0
#include "balancer/outlier.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace balancer {
namespace {

/// Doublings that reach any penalty from any other; more would overflow.
constexpr std::uint32_t kMaxDoublings = 20;

/// Below the resolution of what is measured; keeps the logarithm finite.
constexpr double kLeastRttNs = 1000;

/// Sums over those that one endpoint is compared with.
struct Sums {
  std::size_t n = 0;
  double values = 0;
  double squares = 0;

  void add(double value) noexcept {
    ++n;
    values += value;
    squares += value * value;
  }

  void remove(double value) noexcept {
    --n;
    values -= value;
    squares -= value * value;
  }

  [[nodiscard]] double mean() const noexcept { return values / static_cast<double>(n); }
  [[nodiscard]] double deviation() const noexcept {
    const double variance = squares / static_cast<double>(n) - mean() * mean();
    return std::sqrt(std::max(variance, 0.0));
  }
};

}  // namespace

void Health::leave_alone(Nanoseconds duration, TimePoint now) noexcept {
  alone_until_ = std::max(alone_until_, now + duration);
}

void Outliers::adopt(std::vector<Health*> endpoints) {
  endpoints_ = std::move(endpoints);
  count();
}

void Outliers::count() noexcept {
  n_verdicts_ = 0;
  n_unreachable_ = 0;
  next_probe_at_ = TimePoint::max();
  for (const Health* const health : endpoints_) {
    if (health->is_ejected()) {
      ++(health->is_unreachable() ? n_unreachable_ : n_verdicts_);
      next_probe_at_ = std::min(next_probe_at_, health->penalty_ends_);
    }
  }
}

bool Outliers::is_probe(const Health& health, TimePoint sent_at) noexcept {
  return health.probe_at_ && sent_at >= *health.probe_at_;
}

bool Outliers::on_success(std::size_t index,
                          TimePoint sent_at,
                          Nanoseconds rtt,
                          TimePoint now) noexcept {
  Health& health = *endpoints_[index];
  const double rtt_ns = std::max(static_cast<double>(rtt.count()), kLeastRttNs);
  if (!health.is_ejected()) {
    health.failures_in_row_ = 0;
    ++health.window_.replies;
    health.window_.log_rtt_sum += std::log(rtt_ns);
    return false;
  }
  if (!is_probe(health, sent_at)) {
    return false;
  }
  if (health.cause_ == EjectionCause::latency && rtt_ns > health.slow_above_ns_) {
    eject(index, EjectionCause::latency, now);
    return false;
  }
  reinstate(health, now);
  return true;
}

std::optional<Ejection> Outliers::on_failure(std::size_t index,
                                             TimePoint sent_at,
                                             TimePoint now,
                                             std::optional<std::uint32_t> in_row) {
  Health& health = *endpoints_[index];
  if (health.is_ejected()) {
    return is_probe(health, sent_at) ? std::optional{eject(index, *health.cause_, now)}
                                     : std::nullopt;
  }
  ++health.window_.failures;
  health.failures_in_row_ = in_row.value_or(health.failures_in_row_ + 1);
  if (rules_.consecutive == 0 || health.failures_in_row_ < rules_.consecutive) {
    return std::nullopt;
  }
  health.failures_in_row_ = 0;
  return may_pass_verdict() ? std::optional{eject(index, EjectionCause::consecutive, now)}
                            : std::nullopt;
}

std::optional<Ejection> Outliers::on_connect_failed(std::size_t index, TimePoint now) {
  const Health& health = *endpoints_[index];
  const bool is_known = health.is_unreachable() && !health.probe_at_ && now < health.penalty_ends_;
  return is_known ? std::nullopt : std::optional{eject(index, EjectionCause::connect, now)};
}

bool Outliers::on_connected(std::size_t index, TimePoint now) noexcept {
  Health& health = *endpoints_[index];
  if (!health.is_unreachable()) {
    return false;
  }
  reinstate(health, now);
  return true;
}

void Outliers::on_nothing_learnt(std::size_t index, TimePoint sent_at, TimePoint now) noexcept {
  Health& health = *endpoints_[index];
  if (is_probe(health, sent_at)) {
    health.probe_at_.reset();
    health.penalty_ends_ = now;
    count();
  }
}

bool Outliers::may_pass_verdict() const noexcept {
  const std::size_t n = endpoints_.size();
  return (n_verdicts_ + 1) * 100 <= n * rules_.max_percent && n - n_verdicts_ - n_unreachable_ > 1;
}

/// Of the last of so many ejections, without what chance adds.
double Outliers::base_penalty_ns(std::uint32_t ejections) const noexcept {
  const std::uint32_t doublings = std::min(std::max(ejections, 1U) - 1, kMaxDoublings);
  return std::min(static_cast<double>(rules_.min_penalty.count()) *
                      static_cast<double>(std::uint64_t{1} << doublings),
                  static_cast<double>(rules_.max_penalty.count()));
}

Ejection Outliers::eject(std::size_t index, EjectionCause cause, TimePoint now) {
  Health& health = *endpoints_[index];
  if (!health.is_ejected()) {
    const auto forgiven = (now - health.penalty_ends_) / kForgiveness;
    health.ejections_ -= static_cast<std::uint32_t>(
        std::min<std::chrono::nanoseconds::rep>(forgiven, health.ejections_));
  }
  health.ejections_ = std::min(health.ejections_, kMaxDoublings) + 1;
  std::uniform_real_distribution<double> jitter{1.0, 1.0 + kJitter};
  health.penalty_ = Nanoseconds{std::llround(base_penalty_ns(health.ejections_) * jitter(rng_))};
  health.penalty_ends_ = now + health.penalty_;
  health.cause_ = cause;
  health.probe_at_.reset();
  health.failures_in_row_ = 0;
  health.window_ = {};
  count();
  return {.index = index, .cause = cause, .penalty = health.penalty_};
}

void Outliers::reinstate(Health& health, TimePoint now) noexcept {
  health.cause_.reset();
  health.probe_at_.reset();
  health.penalty_ends_ = now;
  health.window_ = {};
  count();
}

Verdict Outliers::verdict(std::size_t index) const noexcept {
  const Health& health = *endpoints_[index];
  return {.cause = health.cause_,
          .ejections = health.ejections_,
          .penalty_ends = health.penalty_ends_,
          .slow_above_ns = health.slow_above_ns_};
}

void Outliers::take_over(std::size_t index, const Verdict& verdict) noexcept {
  Health& health = *endpoints_[index];
  if (!verdict.cause) {
    health.probe_at_.reset();
  }
  health.cause_ = verdict.cause;
  health.ejections_ = verdict.ejections;
  health.penalty_ = Nanoseconds{std::llround(base_penalty_ns(verdict.ejections))};
  health.penalty_ends_ = verdict.penalty_ends;
  health.slow_above_ns_ = verdict.slow_above_ns;
  health.failures_in_row_ = 0;
  health.window_ = {};
  count();
}

std::vector<Ejection> Outliers::compare(TimePoint now) {
  std::vector<Ejection> ejected;
  if (next_comparison_at_ && now < *next_comparison_at_) {
    return ejected;
  }
  // The first call only begins an interval.
  if (std::exchange(next_comparison_at_, now + kInterval)) {
    compare_success_rates(now, ejected);
    compare_latencies(now, ejected);
  }
  for (Health* const health : endpoints_) {
    health->window_ = {};
  }
  return ejected;
}

template <class Limit>
void Outliers::eject_outliers(std::vector<Standing> standings,
                              EjectionCause cause,
                              TimePoint now,
                              std::vector<Ejection>& ejected,
                              const Limit& limit) {
  Sums others;
  for (const Standing& standing : standings) {
    others.add(standing.value);
  }
  std::sort(standings.begin(), standings.end(), [](const Standing& a, const Standing& b) {
    return a.value > b.value;
  });
  // The worst first. If it is none, those behind it are none either: it is one of their others.
  for (const Standing& worst : standings) {
    others.remove(worst.value);
    if (others.n < kMinOthers || worst.value <= limit(others.mean(), others.deviation()) ||
        !may_pass_verdict()) {
      return;
    }
    ejected.push_back(eject(worst.index, cause, now));
    endpoints_[worst.index]->slow_above_ns_ = std::exp(limit(others.mean(), others.deviation()));
  }
}

void Outliers::compare_success_rates(TimePoint now, std::vector<Ejection>& ejected) {
  if (!rules_.by_success_rate) {
    return;
  }
  std::vector<Standing> standings;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Health::Window& window = endpoints_[i]->window_;
    const std::uint32_t n_outcomes = window.replies + window.failures;
    if (!endpoints_[i]->is_ejected() && n_outcomes >= kMinVolume) {
      standings.push_back({.index = i, .value = window.failures / static_cast<double>(n_outcomes)});
    }
  }
  eject_outliers(std::move(standings),
                 EjectionCause::success_rate,
                 now,
                 ejected,
                 [](double mean, double deviation) {
                   return mean + kDeviations * std::max(deviation, kLeastRateDeviation);
                 });
}

void Outliers::compare_latencies(TimePoint now, std::vector<Ejection>& ejected) {
  if (rules_.latency_factor == 0) {
    return;
  }
  std::vector<Standing> standings;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Health::Window& window = endpoints_[i]->window_;
    if (!endpoints_[i]->is_ejected() && window.replies >= kMinVolume) {
      standings.push_back({.index = i, .value = window.log_rtt_sum / window.replies});
    }
  }
  const double least_distance = std::log(static_cast<double>(rules_.latency_factor));
  eject_outliers(std::move(standings),
                 EjectionCause::latency,
                 now,
                 ejected,
                 [least_distance](double mean, double deviation) {
                   const double far = mean + std::max(kDeviations * deviation, least_distance);
                   const auto slowness = static_cast<double>(kLeastSlowness.count());
                   return std::max(far, std::log(std::exp(mean) + slowness));
                 });
}

std::optional<std::size_t> Outliers::due_probe(TimePoint now) const noexcept {
  if (now < next_probe_at_) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Health& health = *endpoints_[i];
    if (health.is_ejected() && now >= health.penalty_ends_ && !health.is_left_alone(now)) {
      return i;
    }
  }
  return std::nullopt;
}

void Outliers::begin_probe(std::size_t index, TimePoint now) noexcept {
  Health& health = *endpoints_[index];
  health.probe_at_ = now;
  health.penalty_ends_ = now + health.penalty_;
  count();
}

bool Outliers::is_panic() const noexcept {
  const std::size_t n_reachable = endpoints_.size() - n_unreachable_;
  return (n_reachable - n_verdicts_) * 100 < n_reachable * rules_.panic_percent;
}

bool Outliers::admits(std::size_t index, Resort resort, TimePoint now) const noexcept {
  const Health& health = *endpoints_[index];
  if (resort == Resort::in_service) {
    return !health.is_ejected() && !health.is_left_alone(now);
  }
  const bool is_excused = !health.is_ejected() || health.is_unreachable();
  return (is_excused || rules_.panic_percent > 0) &&
         (resort == Resort::any || !health.is_unreachable());
}

}  // namespace balancer
