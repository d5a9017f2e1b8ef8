// SPDX-License-Identifier: Apache-2.0
#include "router/limits/client_quota.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using router::Admission;
using router::ClientQuota;

namespace {

constexpr std::uint64_t kPlenty = 1'000'000;

boost::asio::ip::address caller(std::uint32_t n) {
  return boost::asio::ip::make_address_v4(0x0a00'0000 + n);
}

/// The places of so many connections of one caller.
std::deque<ClientQuota::Place> connections(ClientQuota& quota, std::uint32_t n) {
  std::deque<ClientQuota::Place> places;
  for (std::uint32_t i = 0; i < n; ++i) {
    auto place = quota.take();
    REQUIRE(place);
    place->give_to(caller(1));
    places.push_back(std::move(*place));
  }
  return places;
}

std::uint32_t count(const std::deque<ClientQuota::Place>& places, Admission admission) {
  return static_cast<std::uint32_t>(
      std::count_if(places.begin(), places.end(), [admission](const ClientQuota::Place& place) {
        return place.admission() == admission;
      }));
}

}  // namespace

TEST_CASE("ClientQuota: a caller has its share, is told of the next few, and no more", "[limits]") {
  ClientQuota quota{kPlenty};

  auto places = connections(quota, 600);

  CHECK(count(places, Admission::taken) == ClientQuota::kMaxPerCaller);
  CHECK(count(places, Admission::refused) == ClientQuota::kMaxRefused);
  CHECK(quota.take()->give_to(caller(2)) == Admission::taken);
}

TEST_CASE("ClientQuota: whose connection ends may open another", "[limits]") {
  ClientQuota quota{kPlenty};
  auto places = connections(quota, ClientQuota::kMaxPerCaller + ClientQuota::kMaxRefused);

  places.pop_front();
  CHECK(connections(quota, 1).front().admission() == Admission::taken);
  places.pop_back();
  places.push_back(std::move(connections(quota, 1).front()));

  CHECK(count(places, Admission::taken) == ClientQuota::kMaxPerCaller);
  CHECK(connections(quota, 1).front().admission() == Admission::refused);
  places.clear();
  CHECK(connections(quota, 1).front().admission() == Admission::taken);
}

TEST_CASE("ClientQuota: there is no place beyond the last, until one is given back", "[limits]") {
  ClientQuota quota{kPlenty};
  std::deque<ClientQuota::Place> places;
  for (std::uint32_t n = 0; n < ClientQuota::kMaxConnections; ++n) {
    auto place = quota.take();
    REQUIRE(place);
    place->give_to(caller(n));
    places.push_back(*std::move(place));
  }

  CHECK_FALSE(quota.take());
  places.pop_back();

  CHECK(quota.take());
}

TEST_CASE("ClientQuota: clients get half of the file descriptors at most", "[limits]") {
  CHECK(ClientQuota{1024}.max_connections() == 512);
  CHECK(ClientQuota{kPlenty}.max_connections() == ClientQuota::kMaxConnections);
}

TEST_CASE("ClientQuota: cores that take and give back at once never exceed it, and lose nothing",
          "[limits]") {
  constexpr std::uint32_t kRounds = 20'000;
  constexpr std::uint64_t kDescriptors = 6;  // three places for four cores
  ClientQuota quota{kDescriptors};
  std::atomic<std::int32_t> open = 0;
  std::atomic<std::int32_t> most = 0;

  std::vector<std::thread> cores;
  for (std::uint32_t core = 0; core < 4; ++core) {
    cores.emplace_back([&, core] {
      for (std::uint32_t i = 0; i < kRounds; ++i) {
        if (auto place = quota.take()) {
          place->give_to(caller(core % 2));
          const std::int32_t now = ++open;
          if (now > most) {
            most = now;
          }
          --open;
        }
      }
    });
  }
  for (std::thread& core : cores) {
    core.join();
  }

  CHECK(most <= 3);
  CHECK(quota.take());
}
