// SPDX-License-Identifier: Apache-2.0
#include "router/control/builder.hpp"

#include "router/control/config_document.hpp"
#include "router/control/rows.hpp"
#include "tests/router/control/kube_objects.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using namespace test;
using namespace std::chrono_literals;
using k8s_client::AddressType;
using k8s_client::IpFamily;

namespace {

void put(Builder& builder, k8s_client::Service object) {
  const auto key = object.meta.key;
  builder.set_service(key, std::make_shared<const k8s_client::Service>(std::move(object)));
}

void put(Builder& builder, k8s_client::EndpointSlice object) {
  const auto key = object.meta.key;
  builder.set_slice(key, std::make_shared<const k8s_client::EndpointSlice>(std::move(object)));
}

/// `cart` of namespace `shop` with port 80 and these slices.
Builder cart(std::vector<k8s_client::EndpointSlice> slices) {
  Builder builder;
  put(builder, service("cart", {service_port(80)}));
  for (k8s_client::EndpointSlice& slice : slices) {
    put(builder, std::move(slice));
  }
  return builder;
}

/// The only port of `cart`; the snapshot must have it.
ServicePort port_of(const SnapshotPtr& snapshot) {
  REQUIRE(snapshot);
  const Service* const found = snapshot->services.find("cart.shop");
  REQUIRE(found != nullptr);
  REQUIRE(found->ports.size() == 1);
  return found->ports.front();
}

std::vector<std::string> addresses(const ServicePort& port) {
  std::vector<std::string> result;
  for (const Endpoint& endpoint : port.endpoints) {
    const bool is_v6 = endpoint.address.address().is_v6();
    const std::string host = endpoint.address.address().to_string();
    result.push_back((is_v6 ? "[" + host + "]" : host) + ":" +
                     std::to_string(endpoint.address.port()));
  }
  return result;
}

using Addresses = std::vector<std::string>;

}  // namespace

TEST_CASE("Builder: a Service's slices are merged, by address", "[builder]") {
  Builder builder = cart({slice("cart-b", "cart", {endpoint("10.0.0.9"), endpoint("10.0.0.10")}),
                          slice("cart-a", "cart", {endpoint("10.0.0.2")})});

  const ServicePort port = port_of(builder.build());

  CHECK(addresses(port) == Addresses{"10.0.0.2:8080", "10.0.0.9:8080", "10.0.0.10:8080"});
  CHECK(port.endpoints_known == 3);
  CHECK(port.number == 80);
}

TEST_CASE("Builder: an endpoint carries its pod", "[builder]") {
  auto with_all = endpoint("10.0.0.1");
  with_all.target_name = "cart-0";
  auto without = endpoint("10.0.0.2");
  without.target_name.clear();
  Builder builder = cart({slice("cart-a", "cart", {with_all, without})});

  const ServicePort port = port_of(builder.build());

  REQUIRE(port.endpoints.size() == 2);
  CHECK(port.endpoints[0].pod == "cart-0");
  CHECK(port.endpoints[1].pod == "10.0.0.2");
}

TEST_CASE("Builder: an endpoint in two slices counts once, with its better state", "[builder]") {
  Builder builder =
      cart({slice("cart-a", "cart", {endpoint("10.0.0.1", kEnding), endpoint("10.0.0.2")}),
            slice("cart-b", "cart", {endpoint("10.0.0.1"), endpoint("10.0.0.2", kStarting)})});

  const ServicePort port = port_of(builder.build());

  CHECK(addresses(port) == Addresses{"10.0.0.1:8080", "10.0.0.2:8080"});
  CHECK(port.endpoints_known == 2);
}

TEST_CASE("Builder: conditions that are absent mean what KEP-1672 says", "[builder]") {
  struct Case {
    k8s_client::EndpointConditions conditions;
    std::size_t selected;
  };
  const auto c = GENERATE(values<Case>({
      {{}, 1},                                                      // ready
      {{.ready = false, .serving = {}, .terminating = {}}, 0},      // serving = ready
      {{.ready = false, .serving = {}, .terminating = true}, 0},    // likewise
      {{.ready = false, .serving = true, .terminating = {}}, 0},    // not terminating
      {{.ready = false, .serving = true, .terminating = true}, 1},  // rule 3
      {{.ready = {}, .serving = false, .terminating = {}}, 1},      // ready decides
      {{.ready = true, .serving = true, .terminating = true}, 1},   // publishNotReady
  }));
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1", c.conditions)})});

  const ServicePort port = port_of(builder.build());

  CHECK(port.endpoints.size() == c.selected);
  CHECK(port.endpoints_known == 1);
}

TEST_CASE("Builder: ready is believed whatever else is said, as of publishNotReadyAddresses",
          "[builder]") {
  Builder builder =
      cart({slice("cart-a",
                  "cart",
                  {endpoint("10.0.0.1", {.ready = true, .serving = false, .terminating = false}),
                   endpoint("10.0.0.2", {.ready = true, .serving = false, .terminating = true}),
                   endpoint("10.0.0.3", kReady)})});

  CHECK(addresses(port_of(builder.build())) ==
        Addresses{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"});
}

TEST_CASE("Builder: terminating endpoints are used only where none is ready", "[builder]") {
  const auto all = [](k8s_client::EndpointConditions first) {
    return slice("cart-a",
                 "cart",
                 {endpoint("10.0.0.1", first),
                  endpoint("10.0.0.2", kEnding),
                  endpoint("10.0.0.3", kEnded),
                  endpoint("10.0.0.4", kStarting)});
  };
  Builder builder = cart({all(kReady)});

  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
  CHECK(builder.endpoint_counts() ==
        EndpointCounts{.ready = 1, .serving_terminating = 1, .not_ready = 2});

  put(builder, all(kStarting));
  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.2:8080"});
  CHECK(builder.endpoint_counts() ==
        EndpointCounts{.ready = 0, .serving_terminating = 1, .not_ready = 3});
}

TEST_CASE("Builder: a Service without an endpoint has an entry, and no endpoints", "[builder]") {
  Builder builder = cart({});

  const ServicePort port = port_of(builder.build());

  CHECK(port.endpoints.empty());
  CHECK(port.endpoints_known == 0);
}

TEST_CASE("Builder: ports are matched by name, and each slice has its own number", "[builder]") {
  Builder builder;
  put(builder, service("cart", {service_port(80, "http"), service_port(50051, "grpc")}));
  put(builder,
      slice("cart-a",
            "cart",
            {endpoint("10.0.0.1")},
            {slice_port(8080, "http"), slice_port(9090, "grpc")}));
  put(builder, slice("cart-b", "cart", {endpoint("10.0.0.2")}, {slice_port(8081, "http")}));

  const SnapshotPtr snapshot = builder.build();

  REQUIRE(snapshot);
  const std::vector<ServicePort>& ports = snapshot->services.find("cart.shop")->ports;
  REQUIRE(ports.size() == 2);
  CHECK(ports[0].name == "http");
  CHECK(addresses(ports[0]) == Addresses{"10.0.0.1:8080", "10.0.0.2:8081"});
  CHECK(ports[1].number == 50051);
  CHECK(addresses(ports[1]) == Addresses{"10.0.0.1:9090"});
}

TEST_CASE("Builder: UDP ports, of Services and of slices, do not count", "[builder]") {
  auto dns = service_port(53, "dns");
  dns.protocol = k8s_client::Protocol::udp;
  auto udp = slice_port(8053);
  udp.protocol = k8s_client::Protocol::udp;
  Builder builder;
  put(builder, service("cart", {dns, service_port(80)}));
  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.1")}, {udp}));

  const ServicePort port = port_of(builder.build());

  CHECK(port.number == 80);
  CHECK(port.endpoints_known == 0);
}

TEST_CASE("Builder: a slice port without a number contributes nothing", "[builder]") {
  auto all_ports = slice_port(0);
  all_ports.port.reset();
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1")}, {all_ports})});

  CHECK(port_of(builder.build()).endpoints_known == 0);
}

TEST_CASE("Builder: of a dual-stack Service the first family is used, the other if it is empty",
          "[builder]") {
  const auto family = GENERATE(IpFamily::ipv4, IpFamily::ipv6);
  auto dual = service("cart", {service_port(80)});
  dual.ip_families = {family, family == IpFamily::ipv4 ? IpFamily::ipv6 : IpFamily::ipv4};
  auto v6 = slice("cart-6", "cart", {endpoint("2001:db8::1")});
  v6.address_type = AddressType::ipv6;
  auto v4 = slice("cart-4", "cart", {endpoint("10.0.0.1")});
  Builder builder;
  put(builder, dual);
  put(builder, v4);
  put(builder, v6);

  const ServicePort both = port_of(builder.build());
  builder.set_slice(family == IpFamily::ipv4 ? v4.meta.key : v6.meta.key, nullptr);
  const ServicePort other = port_of(builder.build());

  const Addresses four{"10.0.0.1:8080"};
  const Addresses six{"[2001:db8::1]:8080"};
  CHECK(addresses(both) == (family == IpFamily::ipv4 ? four : six));
  CHECK(both.endpoints_known == 1);  // one pod, not two
  CHECK(addresses(other) == (family == IpFamily::ipv4 ? six : four));
}

TEST_CASE("Builder: addresses that cannot be used are left out", "[builder]") {
  auto fqdn = slice("cart-f", "cart", {endpoint("example.org")});
  fqdn.address_type = AddressType::fqdn;
  Builder builder =
      cart({fqdn, slice("cart-a", "cart", {endpoint("::1"), endpoint("nonsense"), endpoint("")})});

  CHECK(port_of(builder.build()).endpoints_known == 0);
}

TEST_CASE("Builder: a headless Service is routed over its pods", "[builder]") {
  auto headless = service("cart", {service_port(80)});
  headless.headless = true;
  Builder builder;
  put(builder, headless);
  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.1")}));

  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
}

namespace {

/// `pay` of namespace `shop`, which stands for `api.example.com`.
k8s_client::Service external_service() {
  auto result = service("pay", {service_port(8443)});
  result.type = k8s_client::ServiceType::external_name;
  result.external_name = "api.example.com.";
  return result;
}

ConfigDocument config_of(const std::string& text) {
  const ParsedConfig parsed = parse_config("version: 1\n" + text);
  REQUIRE(parsed.is_valid());
  return parsed.document;
}

std::vector<boost::asio::ip::address> dns(const Addresses& texts) {
  std::vector<boost::asio::ip::address> result;
  for (const std::string& text : texts) {
    result.push_back(boost::asio::ip::make_address(text));
  }
  return result;
}

}  // namespace

TEST_CASE("Builder: an ExternalName Service has no ports, until it becomes another type",
          "[builder][external]") {
  Builder builder;
  put(builder, external_service());

  const SnapshotPtr before = builder.build();
  put(builder, service("pay", {service_port(80)}));
  const SnapshotPtr after = builder.build();
  put(builder, external_service());
  const SnapshotPtr again = builder.build();

  REQUIRE((before && after && again));
  CHECK(before->services.find("pay.shop")->ports.empty());
  CHECK(before->services.find("pay.shop")->external_name == "api.example.com");
  CHECK(after->services.find("pay.shop")->ports.size() == 1);
  CHECK(after->services.find("pay.shop")->external_name.empty());
  CHECK(again->services.find("pay.shop")->ports.empty());
}

TEST_CASE("Builder: an allowed external name has its ports, and the addresses of DNS",
          "[builder][external]") {
  Builder builder;
  builder.set_config(config_of("externalNames: [api.example.com, 'api.example.com:8080']"));
  const SnapshotPtr unresolved = builder.build();

  builder.set_addresses("api.example.com", dns({"192.0.2.1", "2001:db8::1"}));
  const SnapshotPtr resolved = builder.build();
  builder.set_addresses("api.example.com", dns({"192.0.2.2"}));
  const SnapshotPtr moved = builder.build();

  const auto ports = [](const SnapshotPtr& snapshot) {
    return snapshot->services.find("api.example.com.")->ports;
  };
  REQUIRE(ports(unresolved).size() == 2);
  CHECK(ports(unresolved)[0].number == 80);
  CHECK(ports(unresolved)[1].number == 8080);
  CHECK(ports(unresolved)[0].endpoints.empty());
  CHECK(addresses(ports(resolved)[1]) == Addresses{"192.0.2.1:8080", "[2001:db8::1]:8080"});
  CHECK(ports(resolved)[1].endpoints_known == 2);
  CHECK(addresses(ports(moved)[0]) == Addresses{"192.0.2.2:80"});
  CHECK(resolved->pod_ports->find(boost::asio::ip::make_address("192.0.2.1")).empty());
}

TEST_CASE("Builder: an ExternalName Service has what the configuration allows of its name",
          "[builder][external]") {
  Builder builder;
  put(builder, external_service());
  builder.set_config(
      config_of("externalNames: ['api.example.com:8080']\n"
                "services: {pay.shop: {upstreamProtocol: h2c}}"));
  builder.set_addresses("api.example.com", dns({"192.0.2.1"}));
  const SnapshotPtr allowed = builder.build();

  builder.set_config(config_of("externalNames: [other.example.com]"));
  const SnapshotPtr forbidden = builder.build();
  builder.set_config(config_of("externalNames: ['api.example.com:8080']"));
  const SnapshotPtr again = builder.build();

  const std::vector<ServicePort>& ports = allowed->services.find("pay.shop")->ports;
  REQUIRE(ports.size() == 1);
  CHECK(ports[0].number == 8080);  // not that of the Service, which means nothing
  CHECK(addresses(ports[0]) == Addresses{"192.0.2.1:8080"});
  CHECK(ports[0].protocol == UpstreamProtocol::h2c);
  CHECK(ports[0].id != allowed->services.find("api.example.com.")->ports[0].id);
  CHECK(forbidden->services.find("pay.shop")->ports.empty());
  CHECK(forbidden->services.find("api.example.com.") == nullptr);
  CHECK(again->services.find("pay.shop")->ports[0].endpoints.empty());  // to be looked up anew
  CHECK(again->services.find("pay.shop")->ports[0].id == ports[0].id);
}

TEST_CASE("Builder: neither external names nor the Services for them count as Services",
          "[builder][external]") {
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1")})});
  put(builder, external_service());
  builder.set_config(config_of("externalNames: [api.example.com]"));
  builder.set_addresses("api.example.com", dns({"192.0.2.1"}));

  const SnapshotPtr snapshot = builder.build();

  CHECK(rows_of(*snapshot).size() == 3);  // otherwise this test showed nothing
  CHECK(count_services(*snapshot) == 1);
  CHECK(builder.endpoint_counts() ==
        EndpointCounts{.ready = 1, .serving_terminating = 0, .not_ready = 0});
}

TEST_CASE("Builder: slices may come before their Service and stay after it", "[builder]") {
  Builder builder;
  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.1")}));
  const SnapshotPtr before = builder.build();
  put(builder, service("cart", {service_port(80)}));
  const SnapshotPtr with = builder.build();
  builder.set_service({"shop", "cart"}, nullptr);
  const SnapshotPtr after = builder.build();

  REQUIRE((before && after));
  CHECK(before->services.size() == 0);
  CHECK(addresses(port_of(with)) == Addresses{"10.0.0.1:8080"});
  CHECK(after->services.size() == 0);
  CHECK(builder.endpoint_counts() == EndpointCounts{});
}

TEST_CASE("Builder: slices of a deleted Service are not those of its successor", "[builder]") {
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1")})});
  REQUIRE(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
  auto successor = service("cart", {service_port(80)});
  successor.meta.uid = "another";

  put(builder, successor);

  CHECK(port_of(builder.build()).endpoints_known == 0);
}

TEST_CASE("Builder: a slice without an owner belongs to the Service of its label", "[builder]") {
  auto by_hand = slice("cart-a", "cart", {endpoint("10.0.0.1")});
  by_hand.service_uid.clear();
  Builder builder = cart({by_hand});

  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
}

TEST_CASE("Builder: a slice whose label changes moves to the other Service", "[builder]") {
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1")})});
  put(builder, service("till", {service_port(80)}));
  REQUIRE(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});

  put(builder, slice("cart-a", "till", {endpoint("10.0.0.1")}));
  const SnapshotPtr snapshot = builder.build();

  CHECK(port_of(snapshot).endpoints_known == 0);
  CHECK(snapshot->services.find("till.shop")->ports.front().endpoints_known == 1);
}

TEST_CASE("Builder: slices belong to the Service of their own namespace", "[builder]") {
  auto elsewhere = slice("cart-a", "cart", {endpoint("10.0.0.1")});
  elsewhere.meta.key.ns = "other";
  Builder builder = cart({elsewhere});

  CHECK(port_of(builder.build()).endpoints_known == 0);
}

TEST_CASE("Builder: protocol is the configuration's, else appProtocol's, else the name's",
          "[builder]") {
  const auto protocol_of = [](k8s_client::ServicePort port,
                              const std::string& slice_says,
                              const std::string& config = "") {
    Builder builder;
    if (!config.empty()) {
      builder.set_config(
          parse_config("{version: 1, services: {cart.shop: " + config + "}}").document);
    }
    const std::string name = port.name;
    put(builder, service("cart", {std::move(port)}));
    put(builder,
        slice("cart-a", "cart", {endpoint("10.0.0.1")}, {slice_port(8080, name, slice_says)}));
    return port_of(builder.build()).protocol;
  };

  CHECK(protocol_of(service_port(80), "") == UpstreamProtocol::as_caller);
  CHECK(protocol_of(service_port(80, "http"), "") == UpstreamProtocol::http1);
  CHECK(protocol_of(service_port(80, "http"), "kubernetes.io/h2c") == UpstreamProtocol::h2c);
  CHECK(protocol_of(service_port(80, "http", "https"), "grpc") == UpstreamProtocol::tls);
  CHECK(protocol_of(service_port(80, "http", "https"), "grpc", "{upstreamProtocol: h2c}") ==
        UpstreamProtocol::h2c);
}

TEST_CASE("Builder: policies come from the configuration, and change with it", "[builder]") {
  Builder builder = cart({});
  CHECK(port_of(builder.build()).policy == Policy{});

  builder.set_config(parse_config(R"(version: 1
defaultNamespace: shop
clusterDomain: example.org
defaults: {timeout: {connect: 2s}}
services:
  cart.shop: {timeout: {request: 5s}}
  cart.shop:80: {balancer: {policy: round_robin}}
)")
                         .document);
  const SnapshotPtr snapshot = builder.build();

  const Policy policy = port_of(snapshot).policy;
  CHECK(policy.connect_timeout == 2s);
  CHECK(policy.request_timeout == Nanoseconds{5s});
  CHECK(policy.balancer == BalancerKind::round_robin);
  CHECK(snapshot->default_namespace == "shop");
  CHECK(snapshot->cluster_domain == "example.org");
}

TEST_CASE("Builder: a port keeps its id, also over its own absence; ids are dense", "[builder]") {
  Builder builder = cart({});
  const ClusterId first = port_of(builder.build()).id;
  put(builder, service("till", {service_port(80), service_port(81)}));
  builder.set_service({"shop", "cart"}, nullptr);
  const SnapshotPtr without = builder.build();
  REQUIRE(without);
  const std::vector<ServicePort> till = without->services.find("till.shop")->ports;

  put(builder, service("cart", {service_port(80)}));

  CHECK(first == 0);
  CHECK(till[0].id == 1);
  CHECK(till[1].id == 2);
  CHECK(port_of(builder.build()).id == 0);
}

TEST_CASE("Builder: what a change does not concern is shared with the snapshot before",
          "[builder]") {
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1")})});
  put(builder, service("till", {service_port(80)}));
  const SnapshotPtr before = builder.build();

  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.2")}));
  const SnapshotPtr after = builder.build();

  REQUIRE((before && after));
  CHECK(after->generation == before->generation + 1);
  CHECK(after->services.find("till.shop") == before->services.find("till.shop"));
  CHECK(after->services.find("cart.shop") != before->services.find("cart.shop"));
  CHECK(addresses(port_of(before)) == Addresses{"10.0.0.1:8080"});  // nobody's view changes
}

TEST_CASE("Builder: a change that routing does not see makes no snapshot", "[builder]") {
  auto same = slice("cart-a", "cart", {endpoint("10.0.0.1")});
  Builder builder = cart({same});
  REQUIRE(builder.build());

  same.meta.resource_version = "2";  // an annotation, for instance
  put(builder, same);
  const SnapshotPtr annotated = builder.build();
  put(builder, slice("other", "no-such-service", {endpoint("10.0.0.2")}));
  const SnapshotPtr foreign = builder.build();

  CHECK_FALSE(annotated);
  CHECK_FALSE(foreign);
  CHECK_FALSE(builder.build());
}

TEST_CASE("Builder: the first snapshot comes also of an empty cluster", "[builder]") {
  Builder builder;

  const SnapshotPtr snapshot = builder.build();

  REQUIRE(snapshot);
  CHECK(snapshot->generation == 1);
  CHECK(snapshot->services.size() == 0);
}

namespace {

k8s_client::SliceEndpoint at(std::string address,
                             std::string node,
                             std::vector<std::string> zones = {},
                             std::vector<std::string> nodes = {}) {
  k8s_client::SliceEndpoint result = endpoint(std::move(address));
  result.node_name = std::move(node);
  result.hint_zones = std::move(zones);
  result.hint_nodes = std::move(nodes);
  return result;
}

/// `cart` as seen from node-1 in zone-a.
Builder cart_here(std::vector<k8s_client::SliceEndpoint> endpoints,
                  k8s_client::TrafficPolicy policy = k8s_client::TrafficPolicy::cluster) {
  Builder builder{"node-1"};
  builder.set_zone("zone-a");
  k8s_client::Service cart = service("cart", {service_port(80)});
  cart.internal_traffic_policy = policy;
  put(builder, std::move(cart));
  put(builder, slice("cart-a", "cart", std::move(endpoints)));
  return builder;
}

}  // namespace

TEST_CASE("Builder: hints for this node go before hints for its zone", "[builder][topology]") {
  Builder builder = cart_here({at("10.0.0.1", "node-1", {"zone-a"}, {"node-1"}),
                               at("10.0.0.2", "node-2", {"zone-a"}, {"node-2"}),
                               at("10.0.0.3", "node-3", {"zone-b"}, {"node-3"})});

  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
}

TEST_CASE("Builder: hints for zones are obeyed where each ready endpoint has one",
          "[builder][topology]") {
  Builder builder = cart_here({at("10.0.0.1", "node-2", {"zone-a"}),
                               at("10.0.0.2", "node-2", {"zone-b", "zone-a"}),
                               at("10.0.0.3", "node-3", {"zone-b"})});
  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080", "10.0.0.2:8080"});

  builder.set_zone("zone-b");
  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.2:8080", "10.0.0.3:8080"});

  builder.set_zone("zone-c");  // for which there is none
  CHECK(port_of(builder.build()).endpoints.size() == 3);
}

TEST_CASE("Builder: hints that are incomplete are no hints", "[builder][topology]") {
  Builder builder = cart_here({at("10.0.0.1", "node-2", {"zone-a"}),
                               at("10.0.0.2", "node-2"),
                               at("10.0.0.3", "node-3", {"zone-b"})});

  CHECK(port_of(builder.build()).endpoints.size() == 3);
}

TEST_CASE("Builder: an endpoint that is not ready need not have hints", "[builder][topology]") {
  k8s_client::SliceEndpoint starting = at("10.0.0.2", "node-2");
  starting.conditions = kStarting;
  Builder builder = cart_here({at("10.0.0.1", "node-2", {"zone-a"}),
                               std::move(starting),
                               at("10.0.0.3", "node-3", {"zone-b"})});

  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
}

TEST_CASE("Builder: terminating endpoints are used regardless of hints", "[builder][topology]") {
  k8s_client::SliceEndpoint ending = at("10.0.0.1", "node-2", {"zone-b"});
  ending.conditions = kEnding;
  Builder builder = cart_here({std::move(ending)});

  CHECK(addresses(port_of(builder.build())) == Addresses{"10.0.0.1:8080"});
}

namespace {

/// The marks of the endpoints, in the order of their addresses: `+` own, `-` spare.
std::string parts_of(const ServicePort& port) {
  std::string parts;
  for (const Endpoint& endpoint : port.endpoints) {
    parts += endpoint.is_spare ? '-' : '+';
  }
  return parts;
}

constexpr const char* kSpillOver = "services: {cart.shop: {balancer: {zoneSpillOver: 4}}}";

}  // namespace

TEST_CASE("Builder: with zoneSpillOver the ready endpoints of other zones are there as spare ones",
          "[builder][topology]") {
  k8s_client::SliceEndpoint ending = at("10.0.0.4", "node-3", {"zone-b"});
  ending.conditions = kEnding;
  k8s_client::SliceEndpoint starting = at("10.0.0.5", "node-3", {"zone-b"});
  starting.conditions = kStarting;
  Builder builder = cart_here({at("10.0.0.1", "node-2", {"zone-a"}),
                               at("10.0.0.2", "node-3", {"zone-b"}),
                               at("10.0.0.3", "node-3", {"zone-b", "zone-a"}),
                               ending,
                               starting});
  CHECK(parts_of(port_of(builder.build())) == "++");

  builder.set_config(config_of(kSpillOver));
  const ServicePort on = port_of(builder.build());
  CHECK(addresses(on) == Addresses{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"});
  CHECK(parts_of(on) == "+-+");

  builder.set_zone("zone-b");
  CHECK(parts_of(port_of(builder.build())) == "-++");

  builder.set_zone("zone-c");  // for which there is none, so that all are used alike
  CHECK(parts_of(port_of(builder.build())) == "+++");

  builder.set_config(config_of("defaults: {balancer: {zoneSpillOver: 0}}"));
  builder.set_zone("zone-a");
  CHECK(parts_of(port_of(builder.build())) == "++");
}

TEST_CASE("Builder: with zoneSpillOver and hints for nodes the other nodes have the spare ones",
          "[builder][topology]") {
  Builder builder = cart_here({at("10.0.0.1", "node-1", {"zone-a"}, {"node-1"}),
                               at("10.0.0.2", "node-2", {"zone-a"}, {"node-2"}),
                               at("10.0.0.3", "node-3", {"zone-b"}, {"node-3"})});
  builder.set_config(config_of(kSpillOver));

  CHECK(parts_of(port_of(builder.build())) == "+--");
}

TEST_CASE("Builder: zoneSpillOver makes no spare ones where hints select nothing",
          "[builder][topology]") {
  using k8s_client::TrafficPolicy;
  k8s_client::SliceEndpoint ending = at("10.0.0.1", "node-2", {"zone-a"});
  ending.conditions = kEnding;
  k8s_client::SliceEndpoint elsewhere = at("10.0.0.2", "node-2", {"zone-b"});
  elsewhere.conditions = kEnding;
  Builder unhinted = cart_here({at("10.0.0.1", "node-2", {"zone-a"}), at("10.0.0.2", "node-2")});
  Builder terminating = cart_here({ending, elsewhere});
  Builder local =
      cart_here({at("10.0.0.1", "node-1", {"zone-a"}), at("10.0.0.2", "node-2", {"zone-b"})},
                TrafficPolicy::local);
  for (Builder* const builder : {&unhinted, &terminating, &local}) {
    builder->set_config(config_of(kSpillOver));
  }

  CHECK(parts_of(port_of(unhinted.build())) == "++");
  CHECK(parts_of(port_of(terminating.build())) == "++");
  const ServicePort local_port = port_of(local.build());
  CHECK(addresses(local_port) == Addresses{"10.0.0.1:8080"});
  CHECK(parts_of(local_port) == "+");
}

namespace {

std::vector<double> weights_of(const ServicePort& port) {
  std::vector<double> weights;
  for (const Endpoint& endpoint : port.endpoints) {
    weights.push_back(endpoint.weight);
  }
  return weights;
}

}  // namespace

TEST_CASE("Builder: endpoints weigh what the configuration says of their zone, node and hostname",
          "[builder][topology]") {
  k8s_client::SliceEndpoint in_zone = at("10.0.0.1", "node-1");
  in_zone.zone = "zone-a";
  k8s_client::SliceEndpoint with_all = at("10.0.0.2", "node-2");
  with_all.zone = "zone-a";
  with_all.hostname = "db-0";
  const k8s_client::SliceEndpoint neither = at("10.0.0.3", "");
  const auto policy =
      GENERATE(k8s_client::TrafficPolicy::cluster, k8s_client::TrafficPolicy::local);
  Builder builder = cart_here({in_zone, with_all, neither}, policy);
  const bool is_local = policy == k8s_client::TrafficPolicy::local;
  CHECK(weights_of(port_of(builder.build())) ==
        (is_local ? std::vector<double>{1} : std::vector<double>{1, 1, 1}));

  builder.set_config(config_of(R"(defaults: {balancer: {weights: {zones: {zone-a: 2}}}}
services: {cart.shop: {balancer: {weights: {nodes: {node-2: 4}, hostnames: {db-0: 0.5}}}}})"));
  CHECK(weights_of(port_of(builder.build())) ==
        (is_local ? std::vector<double>{2} : std::vector<double>{2, 4, 1}));

  builder.set_config(
      config_of("services: {cart.shop:80: {balancer: {weights: {zones: {zone-a: 3}}}}}"));
  CHECK(weights_of(port_of(builder.build())) ==
        (is_local ? std::vector<double>{3} : std::vector<double>{3, 3, 1}));
}

TEST_CASE("Builder: internalTrafficPolicy Local means this node's endpoints or none",
          "[builder][topology]") {
  using k8s_client::TrafficPolicy;
  k8s_client::SliceEndpoint ending = at("10.0.0.1", "node-1");
  ending.conditions = kEnding;

  Builder ready =
      cart_here({at("10.0.0.1", "node-1"), at("10.0.0.2", "node-2")}, TrafficPolicy::local);
  Builder terminating = cart_here({ending, at("10.0.0.2", "node-2")}, TrafficPolicy::local);
  Builder elsewhere = cart_here({at("10.0.0.2", "node-2")}, TrafficPolicy::local);

  CHECK(addresses(port_of(ready.build())) == Addresses{"10.0.0.1:8080"});
  CHECK(addresses(port_of(terminating.build())) == Addresses{"10.0.0.1:8080"});
  const ServicePort none = port_of(elsewhere.build());
  CHECK(none.endpoints.empty());
  CHECK(none.endpoints_known == 1);
  CHECK(none.only_local);
}

TEST_CASE("Builder: internalTrafficPolicy means nothing to a headless Service",
          "[builder][topology]") {
  Builder builder = cart_here({at("10.0.0.2", "node-2")}, k8s_client::TrafficPolicy::local);
  k8s_client::Service headless = service("cart", {service_port(80)});
  headless.headless = true;
  headless.internal_traffic_policy = k8s_client::TrafficPolicy::local;
  put(builder, std::move(headless));

  CHECK(port_of(builder.build()).endpoints.size() == 1);
}

TEST_CASE("Builder: ClusterIPs lead to their Service, as long as it has them", "[builder]") {
  Builder builder;
  k8s_client::Service cart = service("cart", {service_port(80)});
  cart.cluster_ips = {"10.96.0.7", "fd00::7", "no address"};
  put(builder, cart);
  const auto key_at = [](const SnapshotPtr& snapshot, const char* address) {
    const auto found = snapshot->cluster_ips->find(boost::asio::ip::make_address(address));
    return found == snapshot->cluster_ips->end() ? "" : found->second;
  };
  const SnapshotPtr first = builder.build();
  CHECK(key_at(first, "10.96.0.7") == "cart.shop");
  CHECK(key_at(first, "fd00::7") == "cart.shop");

  put(builder, service("till", {service_port(80)}));
  CHECK(builder.build()->cluster_ips == first->cluster_ips);  // nothing of it has changed

  cart.cluster_ips = {"10.96.0.8"};
  put(builder, cart);
  const SnapshotPtr moved = builder.build();
  REQUIRE(moved);
  CHECK(key_at(moved, "10.96.0.7").empty());
  CHECK(key_at(moved, "10.96.0.8") == "cart.shop");

  builder.set_service(cart.meta.key, nullptr);
  CHECK(builder.build()->cluster_ips->empty());
}

namespace {

/// What the address means, `8080 of cart:80` for each Service port that has it, in their order.
Addresses pods_at(const SnapshotPtr& snapshot, const char* address) {
  Addresses result;
  for (const PodPort& pod : snapshot->pod_ports->find(boost::asio::ip::make_address(address))) {
    const Service* const service = snapshot->services.with_port(pod.cluster);
    for (const ServicePort& port : service->ports) {
      if (port.id == pod.cluster) {
        result.push_back(std::to_string(pod.number) + " of " + service->name + ":" +
                         std::to_string(port.number));
      }
    }
  }
  return result;
}

}  // namespace

TEST_CASE("Builder: each address in a Service's slices is known, whatever its conditions",
          "[builder][pods]") {
  auto v6 = slice("cart-b", "cart", {endpoint("fd00::1"), endpoint("no address")});
  v6.address_type = AddressType::ipv6;
  Builder builder = cart(
      {slice("cart-a",
             "cart",
             {endpoint("10.0.0.1"), endpoint("10.0.0.2", kStarting), endpoint("10.0.0.3", kEnded)},
             {slice_port(8080), slice_port(9090, "admin")}),
       v6,
       slice("other-a", "other", {endpoint("10.0.0.4")})});

  const SnapshotPtr snapshot = builder.build();

  for (const char* const address : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"}) {
    CAPTURE(address);
    CHECK(pods_at(snapshot, address) == Addresses{"8080 of cart:80"});
  }
  CHECK(pods_at(snapshot, "10.0.0.4").empty());  // there is no Service `other`
  CHECK(pods_at(snapshot, "10.0.1.1").empty());
}

TEST_CASE("Builder: of Services with the same pod the first by name goes first, whoever came first",
          "[builder][pods]") {
  Builder builder;
  put(builder, service("till", {service_port(80)}));
  put(builder, slice("till-a", "till", {endpoint("10.0.0.1")}));
  const SnapshotPtr first = builder.build();
  put(builder, service("cart", {service_port(81, "b"), service_port(80, "a")}));
  put(builder,
      slice("cart-a",
            "cart",
            {endpoint("10.0.0.1")},
            {slice_port(8080, "b"), slice_port(8080, "a")}));

  const SnapshotPtr second = builder.build();
  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.2")}, {slice_port(8080, "a")}));
  const SnapshotPtr third = builder.build();

  CHECK(pods_at(first, "10.0.0.1") == Addresses{"8080 of till:80"});
  CHECK(pods_at(second, "10.0.0.1") ==
        Addresses{"8080 of cart:80", "8080 of cart:81", "8080 of till:80"});
  CHECK(pods_at(third, "10.0.0.1") == Addresses{"8080 of till:80"});
  CHECK(pods_at(third, "10.0.0.2") == Addresses{"8080 of cart:80"});
}

TEST_CASE("Builder: what no change is about is shared between snapshots", "[builder][pods]") {
  Builder builder = cart({slice("cart-a", "cart", {endpoint("10.0.0.1"), endpoint("10.0.0.2")})});
  const SnapshotPtr first = builder.build();

  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.1"), endpoint("10.0.0.2", kStarting)}));
  const SnapshotPtr second = builder.build();
  put(builder, slice("cart-a", "cart", {endpoint("10.0.0.1"), endpoint("10.0.0.3")}));
  const SnapshotPtr third = builder.build();
  put(builder, service("cart", {}));
  const SnapshotPtr last = builder.build();

  CHECK(second->pod_ports == first->pod_ports);
  CHECK(third->pod_ports->shards[1] == first->pod_ports->shards[1]);
  CHECK(third->pod_ports->shards[2] == nullptr);
  CHECK(pods_at(third, "10.0.0.3") == Addresses{"8080 of cart:80"});
  CHECK(pods_at(last, "10.0.0.1").empty());
}
