// SPDX-License-Identifier: Apache-2.0
#include "router/control/endpoint_ages.hpp"

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/smart_ptr/make_shared.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace std::chrono_literals;
using control::EndpointAges;
using control::EndpointSince;

namespace {

constexpr EndpointAges::TimePoint kStart{};

Snapshot with_cart(const std::vector<const char*>& addresses) {
  auto service = boost::make_shared<Service>();
  service->namespace_ = "shop";
  service->name = "cart";
  ServicePort& port = service->ports.emplace_back();
  port.number = 80;
  for (const char* const address : addresses) {
    Endpoint endpoint;
    endpoint.address = {boost::asio::ip::make_address(address), 8080};
    endpoint.pod = std::string{"pod-of-"} + address;
    port.endpoints.push_back(endpoint);
  }
  Snapshot snapshot;
  snapshot.services.put(service);
  return snapshot;
}

std::vector<EndpointSince> all_of(const EndpointAges& ages,
                                  const control::EndpointFilter& filter = {}) {
  std::vector<EndpointSince> all;
  ages.show(filter, [&all](const EndpointSince& each) { all.push_back(each); });
  return all;
}

std::map<std::string, std::chrono::nanoseconds> seen_at(const EndpointAges& ages) {
  std::map<std::string, std::chrono::nanoseconds> seen;
  for (const EndpointSince& since : all_of(ages)) {
    seen[since.address] = since.first_seen - kStart;
  }
  return seen;
}

using Seen = std::map<std::string, std::chrono::nanoseconds>;

}  // namespace

TEST_CASE("EndpointAges: an endpoint is as old as the first snapshot that has it", "[control]") {
  EndpointAges ages;

  ages.see(with_cart({"10.0.0.1"}), kStart + 1s);
  ages.see(with_cart({"10.0.0.1", "fd00::1"}), kStart + 5s);

  CHECK(seen_at(ages) == Seen{{"10.0.0.1:8080", 1s}, {"[fd00::1]:8080", 5s}});
  CHECK(all_of(ages).front().service_namespace == "shop");
  CHECK(all_of(ages).front().service == "cart");
  CHECK(all_of(ages).front().port == 80);
  CHECK(all_of(ages).front().pod == "pod-of-10.0.0.1");
  CHECK(all_of(ages, {.service_namespace = "shop", .service = "cart"}).size() == 2);
  CHECK(all_of(ages, {.service_namespace = "shop", .service = "bank"}).empty());
  CHECK(all_of(ages, {.service_namespace = "bank", .service = ""}).empty());
}

TEST_CASE("EndpointAges: any history of Services, ports and endpoints is remembered",
          "[control][property]") {
  const auto seed = GENERATE(range(1U, 50U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  const auto one_in = [&rng](unsigned n) { return rng() % n == 0; };
  EndpointAges ages;
  Snapshot snapshot;
  std::map<std::tuple<std::string, std::uint16_t, std::string>, EndpointAges::TimePoint> model;
  for (std::uint16_t step = 1; step <= 30; ++step) {
    const EndpointAges::TimePoint now = kStart + std::chrono::seconds{step};
    const auto service = boost::make_shared<Service>();
    service->name = "cart-" + std::to_string(rng() % 3);
    service->namespace_ = "shop";
    const auto before = std::exchange(model, {});
    for (const auto& [key, first_seen] : before) {
      if (std::get<0>(key) != service->name) {
        model.emplace(key, first_seen);
      }
    }
    const std::size_t n_ports = rng() % 3;
    while (service->ports.size() < n_ports) {
      ServicePort& port = service->ports.emplace_back();
      port.number = static_cast<std::uint16_t>(80 + (service->ports.size() + step) % 2);
      for (const char* const host : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}) {
        if (!one_in(3)) {
          Endpoint endpoint;
          endpoint.address = {boost::asio::ip::make_address(host), 8080};
          port.endpoints.push_back(endpoint);
          const std::tuple key{service->name, port.number, std::string{host} + ":8080"};
          const auto known = before.find(key);
          model.emplace(key, known == before.end() ? now : known->second);
        }
      }
    }
    if (service->ports.empty() && one_in(2)) {
      snapshot.services.erase(full_name(*service));
    } else {
      snapshot.services.put(service);
    }

    ages.see(snapshot, now);

    decltype(model) seen;
    for (const EndpointSince& since : all_of(ages)) {
      seen.emplace(std::tuple{since.service, since.port, since.address}, since.first_seen);
    }
    REQUIRE(seen == model);
  }
}

TEST_CASE("EndpointAges: one that goes and comes back is a new one", "[control]") {
  const bool goes_with_service = GENERATE(false, true);
  EndpointAges ages;
  ages.see(with_cart({"10.0.0.1"}), kStart + 1s);

  ages.see(goes_with_service ? Snapshot{} : with_cart({}), kStart + 2s);
  CHECK(seen_at(ages).empty());

  ages.see(with_cart({"10.0.0.1"}), kStart + 3s);
  CHECK(seen_at(ages) == Seen{{"10.0.0.1:8080", 3s}});
}
