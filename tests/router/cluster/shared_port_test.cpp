// SPDX-License-Identifier: Apache-2.0
#include "router/cluster/shared_port.hpp"

#include <array>
#include <chrono>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using router::EndpointKey;
using router::SharedPort;
using router::SharedPorts;

namespace {

constexpr router::TimePoint kStart{std::chrono::hours{1}};

const std::array<EndpointKey, 2> kKeys{
    EndpointKey{{boost::asio::ip::address_v4{0x0a000001}, 80}, 1},
    EndpointKey{{boost::asio::ip::address_v4{0x0a000001}, 80}, 2}};

}  // namespace

TEST_CASE("SharedPort: what the workers count adds up", "[cluster]") {
  SharedPort port{1};
  router::SharedWorker& one = port.add_worker();
  router::SharedWorker& other = port.add_worker();

  for (int i = 0; i < 30; ++i) {
    one.requests.add(kStart, 10s);
    other.requests.add(kStart + 50ms, 10s);
  }
  other.retries.add(kStart + 50ms, 10s);

  CHECK(port.traffic(kStart, 10s).requests == 60);
  CHECK(port.traffic(kStart, 10s).retries == 1);
}

TEST_CASE("SharedPort: what was counted is forgotten after the window, to a tenth of it",
          "[cluster]") {
  SharedPort port{1};
  router::SharedWorker& worker = port.add_worker();
  worker.requests.add(kStart, 10s);
  worker.requests.add(kStart + 5s, 10s);

  CHECK(port.traffic(kStart + 9s, 10s).requests == 2);
  CHECK(port.traffic(kStart + 10s, 10s).requests == 1);
  CHECK(port.traffic(kStart + 14s, 10s).requests == 1);
  CHECK(port.traffic(kStart + 15s, 10s).requests == 0);
  CHECK(port.traffic(kStart + 1h, 10s).requests == 0);
}

TEST_CASE("SharedPort: a steady rate is told within a tenth", "[cluster]") {
  SharedPort port{1};
  router::SharedWorker& worker = port.add_worker();

  for (int i = 0; i < 3000; ++i) {
    const router::TimePoint now = kStart + i * 10ms;
    worker.requests.add(now, 10s);
    if (i >= 1000) {
      CHECK(port.traffic(now, 10s).requests >= 900);
      CHECK(port.traffic(now, 10s).requests <= 1000);
    }
  }
}

TEST_CASE("SharedPort: a worker whose turn began a moment later is counted, too", "[cluster]") {
  SharedPort port{1};
  port.add_worker().requests.add(kStart + 1ms, 10s);

  CHECK(port.traffic(kStart - 1ms, 10s).requests == 1);
}

TEST_CASE("SharedPorts: each id has one port, whoever asks", "[cluster]") {
  SharedPorts ports{"node-1"};
  SharedPort& first = ports.of(0);
  SharedPort& far = ports.of(100'000);

  CHECK(&ports.of(0) == &first);
  CHECK(&ports.of(100'000) == &far);
  CHECK(&ports.of(1) != &first);
  CHECK(&far != &first);
}

TEST_CASE("SharedPort: an endpoint has one record while somebody holds it, and then a new one",
          "[cluster]") {
  SharedPort port{1};
  auto one = port.try_share(kKeys);
  REQUIRE(one.size() == 2);
  CHECK(one[0] != one[1]);  // another pod at the same address
  CHECK(one[0]->count_failure() == 1);

  auto other = port.try_share(kKeys);
  one.clear();
  auto third = port.try_share(kKeys);
  CHECK(third[0] == other[0]);
  CHECK(third[0]->count_failure() == 2);

  other.clear();
  third.clear();
  CHECK(port.try_share(kKeys)[0]->count_failure() == 1);
}

TEST_CASE("SharedEndpoint: a verdict is read as it was posted, to a microsecond", "[cluster]") {
  SharedPort port{1};
  const auto records = port.try_share(kKeys);
  const balancer::Verdict verdict{.cause = balancer::EjectionCause::latency,
                                  .ejections = 21,
                                  .penalty_ends = kStart + 7us,
                                  .slow_above_ns = 5e6};

  records[0]->post(verdict);

  CHECK(records[0]->verdict().cause == verdict.cause);
  CHECK(records[0]->verdict().ejections == 21);
  CHECK(records[0]->verdict().penalty_ends == verdict.penalty_ends);
  CHECK(records[0]->verdict().slow_above_ns == 5e6);
  CHECK(records[1]->verdict_word() == 0);
}

TEST_CASE("SharedEndpoint: of those who post upon the same verdict, one does", "[cluster]") {
  SharedPort port{1};
  const auto records = port.try_share(kKeys);
  const balancer::Verdict out{
      .cause = balancer::EjectionCause::consecutive, .ejections = 1, .penalty_ends = kStart};
  records[0]->post(out);
  const router::VerdictWord seen = records[0]->verdict_word();
  balancer::Verdict probed = out;

  probed.penalty_ends += 1s;
  CHECK(records[0]->post_if(seen, probed));
  probed.penalty_ends += 1s;
  CHECK_FALSE(records[0]->post_if(seen, probed));

  CHECK(records[0]->verdict().penalty_ends == kStart + 1s);
}

TEST_CASE("SharedEndpoint: the longest pause that was asked for counts", "[cluster]") {
  SharedPort port{1};
  const auto records = port.try_share(kKeys);

  records[0]->leave_alone_until(kStart + 2s);
  records[0]->leave_alone_until(kStart + 1s);

  CHECK(records[0]->alone_until() == kStart + 2s);
}
