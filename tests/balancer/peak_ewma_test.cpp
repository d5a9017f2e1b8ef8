// SPDX-License-Identifier: Apache-2.0
#include "balancer/peak_ewma.hpp"

#include "tests/balancer/candidates.hpp"

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
  PeakEwma busy = test::steady(100ms, kStart);
  PeakEwma seldom{10s};
  seldom.observe(100ms, kStart);

  busy.observe(1ms, kStart + 10ms);
  seldom.observe(1ms, kStart + 9s);

  CHECK(milliseconds_of(busy.estimate(kStart + 10ms).value()) > 98);
  CHECK(milliseconds_of(seldom.estimate(kStart + 9s).value()) == Approx(10).margin(0.01));
}

TEST_CASE(
    "PeakEwma: three tenths of the decay time of fast replies move the estimate most of the way",
    "[balancer]") {
  PeakEwma latency = test::steady(100ms, kStart);

  for (int i = 1; i <= 300; ++i) {
    latency.observe(1ms, kStart + i * 10ms);
  }

  CHECK(milliseconds_of(latency.estimate(kStart + 3s).value()) < 7);
}

TEST_CASE("PeakEwma: a fast reply after a long silence does not raise the estimate", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe(1s, kStart);
  const auto before = latency.estimate(kStart + 40s).value();

  latency.observe(5ms, kStart + 40s);

  CHECK(milliseconds_of(before) == Approx(18.3).margin(0.1));
  CHECK(latency.estimate(kStart + 40s) == before);
}

TEST_CASE("PeakEwma: a stray slow reply under load hardly moves the estimate", "[balancer]") {
  PeakEwma latency = test::steady(1ms, kStart);

  latency.observe(20ms, kStart + 10ms);

  CHECK(milliseconds_of(latency.estimate(kStart + 10ms).value()) < 1.1);
}

TEST_CASE("PeakEwma: a tenth of the decay time of slow replies moves the estimate most of the way",
          "[balancer]") {
  PeakEwma latency = test::steady(1ms, kStart);

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

  CHECK(milliseconds_of(latency.estimate(kStart + 1s).value()) == Approx(981).margin(1));
}

TEST_CASE("PeakEwma: a failure that took longer than the charge counts as long as it took",
          "[balancer]") {
  PeakEwma latency{10s};

  latency.observe_failure(3s, kStart);

  CHECK(milliseconds_of(latency.estimate(kStart).value()) == Approx(2980).margin(1));
}

TEST_CASE("PeakEwma: one that fails half of the time costs half of the charge, however fast",
          "[balancer]") {
  PeakEwma latency{10s};

  for (int i = 0; i < 1000; ++i) {
    if (i % 2 == 0) {
      latency.observe(1ms, kStart + i * 10ms);
    } else {
      latency.observe_failure(1ms, kStart + i * 10ms);
    }
  }

  CHECK(milliseconds_of(latency.estimate(kStart + 10s).value()) == Approx(481).margin(15));
  CHECK(latency.spread() < 0.1);  // so that failures are never taken for noise
}

TEST_CASE("PeakEwma: a stray failure under load costs nothing", "[balancer]") {
  PeakEwma latency = test::steady(1ms, kStart);

  latency.observe_failure(1ms, kStart + 10ms);

  CHECK(milliseconds_of(latency.estimate(kStart + 10ms).value()) == Approx(1).margin(0.01));
}

TEST_CASE("PeakEwma: after a failure a single good reply is not enough", "[balancer]") {
  PeakEwma latency{10s};
  latency.observe_failure(1ms, kStart);

  latency.observe(1ms, kStart + 1s);
  CHECK(milliseconds_of(latency.estimate(kStart + 1s).value()) == Approx(481).margin(1));

  for (int i = 2; i <= 7; ++i) {
    latency.observe(1ms, kStart + i * 1s);
  }
  CHECK(milliseconds_of(latency.estimate(kStart + 7s).value()) < 2);
}

TEST_CASE("PeakEwma: replies that agree with the estimate make the spread small, others wide",
          "[balancer]") {
  PeakEwma latency = test::steady(1ms, kStart);
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

TEST_CASE("typical_rtt: is the default while nothing is measured", "[balancer]") {
  const PeakEwma unknown{10s};

  CHECK(balancer::typical_rtt(std::array{Candidate{&unknown, 0}}, kStart) ==
        balancer::kUnmeasuredRtt);
}

TEST_CASE("typical_rtt: is the median of the measured endpoints", "[balancer]") {
  const PeakEwma unknown{10s};
  const PeakEwma fast = test::steady(1ms, kStart);
  const PeakEwma usual = test::steady(2ms, kStart);
  const PeakEwma slow = test::steady(1s, kStart);

  const auto typical = balancer::typical_rtt(
      std::array{
          Candidate{&slow, 0}, Candidate{&unknown, 0}, Candidate{&fast, 0}, Candidate{&usual, 0}},
      kStart);

  CHECK(milliseconds_of(typical) == Approx(2).margin(0.001));
}
