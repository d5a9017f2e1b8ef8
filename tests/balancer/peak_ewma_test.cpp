// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma.hpp"

#include <array>
#include <chrono>
#include <cstddef>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using balancer::Candidate;
using balancer::PeakEwma;

namespace {

constexpr balancer::TimePoint kStart{};  // the test owns the time; nothing sleeps

double milliseconds_of(balancer::Nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// A long run of replies that all took `rtt`, 10 ms apart, ending at `end`.
PeakEwma steady(balancer::Nanoseconds rtt, balancer::TimePoint end) {
  PeakEwma latency{10s};
  for (int i = 500; i >= 0; --i) {
    latency.observe(rtt, end - i * 10ms);
  }
  return latency;
}

/// Which of two candidates is picked, when both are always drawn.
std::size_t better_of(const Candidate& a, const Candidate& b, balancer::TimePoint now) {
  balancer::Rng rng{1};
  return balancer::pick_peak_ewma({std::array{a, b}}, now, 30ms, rng).value();
}

}  // namespace

TEST_CASE("PeakEwma: has no estimate before the first sample", "[balancer]") {
  const PeakEwma latency{10s};

  CHECK_FALSE(latency.estimate(kStart).has_value());
}

TEST_CASE("PeakEwma: a slow reply counts in full at once", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(1ms, kStart);

  latency.observe(100ms, kStart + 1s);

  CHECK(latency.estimate(kStart + 1s) == 100ms);
}

TEST_CASE("PeakEwma: an estimate left alone falls to 1/e in one decay time", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(100ms, kStart);

  const auto estimate = latency.estimate(kStart + 10s).value();

  CHECK(milliseconds_of(estimate) == Approx(36.79).margin(0.01));
}

TEST_CASE("PeakEwma: a fast reply attracts only slowly", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(100ms, kStart);

  latency.observe(1ms, kStart + 1s);

  CHECK(milliseconds_of(latency.estimate(kStart + 1s).value()) == Approx(90.58).margin(0.01));
}

TEST_CASE("PeakEwma: a stray slow reply under load hardly moves the estimate", "[balancer]") {
  PeakEwma latency = steady(1ms, kStart);

  latency.observe(20ms, kStart + 10ms);

  CHECK(milliseconds_of(latency.estimate(kStart + 10ms).value()) < 1.1);
}

TEST_CASE("PeakEwma: a tenth of the decay time of slow replies moves the estimate most of the way",
          "[balancer]") {
  PeakEwma latency = steady(1ms, kStart);

  for (int i = 1; i <= 100; ++i) {
    latency.observe(100ms, kStart + i * 10ms);
  }

  CHECK(milliseconds_of(latency.estimate(kStart + 1s).value()) > 15);
}

TEST_CASE("PeakEwma: a sample older than the newest is ignored", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(5ms, kStart + 1s);

  latency.observe(100ms, kStart);
  latency.observe_failure(100ms, kStart);

  CHECK(latency.estimate(kStart + 1s) == 5ms);
}

TEST_CASE("PeakEwma: a failure is charged as a slow reply", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(1ms, kStart);

  latency.observe_failure(100us, kStart + 1s);

  CHECK(latency.estimate(kStart + 1s) == PeakEwma::kFailureCharge);
}

TEST_CASE("PeakEwma: a failure that took longer than the charge counts as long as it took",
          "[balancer]") {
  PeakEwma latency{10s};

  latency.observe_failure(3s, kStart);

  CHECK(latency.estimate(kStart) == 3s);
}

TEST_CASE("PeakEwma: replies that agree with the estimate make the spread small, others wide",
          "[balancer]") {
  PeakEwma latency = steady(1ms, kStart);
  const double calm = latency.spread();

  latency.observe(20ms, kStart + 500ms);

  CHECK(calm < 0.1);
  CHECK(latency.spread() > 1);
}

TEST_CASE("PeakEwma: a reply time of zero is survived", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(0ns, kStart);

  latency.observe(1ms, kStart + 1s);

  CHECK(latency.estimate(kStart + 1s) == 1ms);
}

TEST_CASE("PeakEwma: a caller that gives up counts as a reply after its wait, if that is worse",
          "[balancer]") {
  PeakEwma unknown{10s};
  unknown.observe_silence(50ms, kStart);
  CHECK(unknown.estimate(kStart) == 50ms);

  PeakEwma slow{10s};
  slow.observe(100ms, kStart);
  slow.observe_silence(20ms, kStart);
  CHECK(slow.estimate(kStart) == 100ms);  // it might have replied after 21 ms, or after 200

  slow.observe_silence(1h, kStart + 10s);  // nobody knows whether it was ill for an hour
  CHECK(slow.estimate(kStart + 10s) == PeakEwma::kFailureCharge);
}

TEST_CASE("pick_peak_ewma: there is no choice among no candidates", "[balancer]") {
  balancer::Rng rng{1};

  CHECK_FALSE(balancer::pick_peak_ewma({}, kStart, 30ms, rng).has_value());
}

TEST_CASE("pick_peak_ewma: a single candidate is chosen however dear", "[balancer]") {
  balancer::Rng rng{1};
  const PeakEwma latency = steady(10s, kStart);

  CHECK(balancer::pick_peak_ewma({std::array{Candidate{&latency, 1000}}}, kStart, 30ms, rng) == 0U);
}

TEST_CASE("pick_peak_ewma: an endpoint with no sample and nothing in flight wins when drawn",
          "[balancer]") {
  const PeakEwma fast = steady(1us, kStart);
  const PeakEwma unknown{10s};

  CHECK(better_of({&fast, 0}, {&unknown, 0}, kStart) == 1);
  CHECK(better_of({&unknown, 0}, {&fast, 0}, kStart) == 0);
}

TEST_CASE("pick_peak_ewma: while its first request is out an endpoint costs the unknown reply time",
          "[balancer]") {
  const PeakEwma unknown{10s};
  const PeakEwma fast = steady(20ms, kStart);
  const PeakEwma slow = steady(200ms, kStart);

  CHECK(better_of({&unknown, 1}, {&fast, 0}, kStart) == 1);
  CHECK(better_of({&unknown, 1}, {&slow, 0}, kStart) == 0);
}

TEST_CASE("pick_peak_ewma: of equal endpoints the one with fewer requests in flight is chosen",
          "[balancer]") {
  const PeakEwma latency = steady(10ms, kStart);

  CHECK(better_of({&latency, 3}, {&latency, 2}, kStart) == 1);
}

TEST_CASE(
    "pick_peak_ewma: a slow endpoint is chosen when the fast one is busier by more than the ratio",
    "[balancer]") {
  const PeakEwma fast = steady(1ms, kStart);
  const PeakEwma slow = steady(10ms, kStart);

  CHECK(better_of({&slow, 0}, {&fast, 5}, kStart) == 1);
  CHECK(better_of({&slow, 0}, {&fast, 20}, kStart) == 0);
}

TEST_CASE("pick_peak_ewma: within noise the endpoint heard of longer ago is chosen", "[balancer]") {
  const PeakEwma recent = steady(1ms, kStart);
  const PeakEwma earlier = steady(1100us, kStart - 100ms);

  CHECK(better_of({&recent, 0}, {&earlier, 0}, kStart) == 1);
}

TEST_CASE("pick_peak_ewma: the dearest of many candidates is never chosen",
          "[balancer][property]") {
  const auto seed = GENERATE(range(1U, 200U));
  CAPTURE(seed);
  balancer::Rng rng{seed};
  std::array<PeakEwma, 5> latencies{
      PeakEwma{1s}, PeakEwma{1s}, PeakEwma{1s}, PeakEwma{1s}, PeakEwma{1s}};
  std::array<Candidate, 5> candidates{};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    latencies[i].observe(1ms * (i + 1), kStart);
    candidates[i] = {.latency = &latencies[i], .in_flight = 0};
  }

  CHECK(balancer::pick_peak_ewma({candidates}, kStart, 1s, rng) != candidates.size() - 1);
}

TEST_CASE("pick_peak_ewma: every pair of equal candidates is drawn", "[balancer]") {
  balancer::Rng rng{7};
  const PeakEwma latency{10s};
  const std::array<Candidate, 4> candidates{Candidate{&latency, 0},
                                            Candidate{&latency, 0},
                                            Candidate{&latency, 0},
                                            Candidate{&latency, 0}};
  std::array<int, 4> chosen{};

  for (int i = 0; i < 4000; ++i) {
    ++chosen[balancer::pick_peak_ewma({candidates}, kStart, 30ms, rng).value()];
  }

  for (const int count : chosen) {
    CHECK(count == Approx(1000).margin(150));
  }
}

TEST_CASE("typical_rtt: is the default while nothing is measured", "[balancer]") {
  const PeakEwma unknown{10s};

  CHECK(balancer::typical_rtt(std::array{Candidate{&unknown, 0}}, kStart) ==
        balancer::kUnmeasuredRtt);
}

TEST_CASE("typical_rtt: is the median of the measured endpoints", "[balancer]") {
  const PeakEwma unknown{10s};
  const PeakEwma fast = steady(1ms, kStart);
  const PeakEwma usual = steady(2ms, kStart);
  const PeakEwma slow = steady(1s, kStart);

  const auto typical = balancer::typical_rtt(
      std::array{
          Candidate{&slow, 0}, Candidate{&unknown, 0}, Candidate{&fast, 0}, Candidate{&usual, 0}},
      kStart);

  CHECK(milliseconds_of(typical) == Approx(2).margin(0.001));
}
