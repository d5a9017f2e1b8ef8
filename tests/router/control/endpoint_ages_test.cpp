// SPDX-License-Identifier: Apache-2.0
#include "router/control/endpoint_ages.hpp"

#include <chrono>
#include <map>
#include <string>
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
    port.endpoints.push_back(endpoint);
  }
  Snapshot snapshot;
  snapshot.services.emplace("cart.shop", service);
  return snapshot;
}

std::map<std::string, std::chrono::nanoseconds> seen_at(const EndpointAges& ages) {
  std::map<std::string, std::chrono::nanoseconds> seen;
  for (const EndpointSince& since : ages.all()) {
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
  CHECK(ages.all().front().service_namespace == "shop");
  CHECK(ages.all().front().service == "cart");
  CHECK(ages.all().front().port == 80);
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
