// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/resolve.hpp"

#include "tests/router/resolve/allocations.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <catch2/catch.hpp>

using namespace router;
using boost::asio::ip::tcp;

namespace {

/// By a caller without a namespace of its own.
Resolution look_up(const Snapshot& snapshot,
                   std::string_view name,
                   CallerProtocol caller = CallerProtocol::h2) {
  return resolve(snapshot, name, snapshot.default_namespace, caller);
}

ServicePort port(std::uint16_t number, std::string name = "") {
  ServicePort result;
  result.number = number;
  result.names_h2 = name.starts_with("grpc") || name.starts_with("h2c");
  result.names_http = name.starts_with("http");
  result.name = std::move(name);
  return result;
}

void add(Snapshot& snapshot, std::string name, std::string ns, std::vector<ServicePort> ports) {
  snapshot.services.put(boost::make_shared<const Service>(Service{.namespace_ = std::move(ns),
                                                                  .name = std::move(name),
                                                                  .headless = false,
                                                                  .ports = std::move(ports)}));
}

/// `cart` in `default` and in `shop`, told apart by their ports.
Snapshot two_carts() {
  Snapshot snapshot;
  add(snapshot, "cart", "default", {port(8080)});
  add(snapshot, "cart", "shop", {port(9090)});
  return snapshot;
}

Snapshot with_ports(std::vector<ServicePort> ports) {
  Snapshot snapshot;
  add(snapshot, "cart", "shop", std::move(ports));
  return snapshot;
}

tcp::endpoint at(const char* address, std::uint16_t number) {
  return {boost::asio::ip::make_address(address), number};
}

/// A Service port with a pod in its slices, which need not be selected.
struct PodSpec {
  std::string service;
  ServicePort port;
  const char* pod;
  std::uint16_t number;
};

/// The Services of these pods, in namespace `shop`. In the order of their names and numbers.
Snapshot with_pods(const std::vector<PodSpec>& specs) {
  std::map<std::string, std::vector<ServicePort>> services;
  std::array<PodPorts::Shard, PodPorts::kShards> shards;
  ClusterId id = 0;
  for (const PodSpec& spec : specs) {
    services[spec.service].push_back(spec.port);
    services[spec.service].back().id = id;
    const PodPort::Address address = pod_address(boost::asio::ip::make_address(spec.pod));
    shards.at(PodPorts::shard_of(address))
        .push_back({.address = address, .number = spec.number, .cluster = id++});
  }
  Snapshot snapshot;
  for (auto& [name, ports] : services) {
    add(snapshot, name, "shop", ports);
  }
  const auto pods = boost::make_shared<PodPorts>();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    std::stable_sort(shards.at(i).begin(), shards.at(i).end(), [](const auto& a, const auto& b) {
      return std::tie(a.address, a.number) < std::tie(b.address, b.number);
    });
    pods->shards.at(i) = boost::make_shared<const PodPorts::Shard>(shards.at(i));
  }
  snapshot.pod_ports = pods;
  return snapshot;
}

/// Number of the port that was found, 0 if none was.
std::uint16_t found(const Resolution& resolution) {
  return resolution.port == nullptr ? std::uint16_t{0} : resolution.port->number;
}

bool says(const Resolution& resolution, std::string_view text) {
  return resolution.detail.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: every form of a Service's name leads to it", "[resolve]") {
  const auto [name, number] = GENERATE(table<std::string, int>({
      {"cart", 8080},
      {"cart.", 8080},
      {"CART", 8080},
      {"cart:8080", 8080},
      {"cart:", 8080},
      {"cart.shop", 9090},
      {"cart.shop.", 9090},
      {"Cart.Shop", 9090},
      {"cart.shop:9090", 9090},
      {"cart.shop:09090", 9090},
      {"cart.shop.:9090", 9090},
      {"cart.shop.svc", 9090},
      {"cart.shop.svc:9090", 9090},
      {"cart.shop.svc.cluster.local", 9090},
      {"cart.shop.svc.cluster.local.", 9090},
      {"cart.shop.SVC.Cluster.Local.:9090", 9090},
      {"cart.default.svc.cluster.local", 8080},
  }));
  CAPTURE(name);
  const Snapshot snapshot = two_carts();

  const Resolution resolution = look_up(snapshot, name);

  CAPTURE(resolution.detail);
  CHECK(found(resolution) == number);
  REQUIRE(resolution.service != nullptr);
  CHECK(resolution.service->name == "cart");
}

TEST_CASE("resolve: what is no name is refused as a bad authority", "[resolve]") {
  const std::string label64(64, 'a');
  const std::string long_name = std::string(61, 'a') + "." + std::string(60, 'b') + ".svc." +
                                std::string(63, 'c') + "." + std::string(63, 'd');
  const auto name = GENERATE_COPY(as<std::string>{},
                                  "",
                                  ".",
                                  "..",
                                  ":80",
                                  ".cart",
                                  "cart..shop",
                                  "cart.shop..",
                                  "-cart",
                                  "cart-",
                                  "cart.-shop",
                                  "ca_rt",
                                  "ca rt",
                                  "cart.shop/path",
                                  "cart\x01",
                                  "c\xc3\xa4rt",
                                  "cart:0",
                                  "cart:65536",
                                  "cart:99999999999",
                                  "cart:http",
                                  "cart:80x",
                                  "cart:-1",
                                  "cart:+80",
                                  "cart: 80",
                                  "cart:80:80",
                                  "user@cart",
                                  "user:secret@cart:80",
                                  "fe80::1",
                                  "::1",
                                  "[cart]",
                                  "[::1",
                                  "[::zz]:80",
                                  "300.1.1.1",
                                  label64,
                                  "cart." + label64,
                                  long_name,
                                  std::string(100'000, 'a'));
  CAPTURE(name);
  const Snapshot snapshot = two_carts();

  const Resolution resolution = look_up(snapshot, name);

  CHECK(resolution.port == nullptr);
  CHECK(resolution.error == Errc::bad_authority);
  CHECK_FALSE(resolution.detail.empty());
  CHECK(resolution.detail.size() < 250);  // whatever the caller sent
}

TEST_CASE("resolve: an error repeats the caller's text in printable characters only", "[resolve]") {
  const Snapshot snapshot = two_carts();

  const Resolution resolution = look_up(snapshot, "a\r\nset-cookie: \"b\"\x7f");

  CHECK(says(resolution, R"("a??set-cookie: ?b??")"));
}

TEST_CASE("resolve: labels of 63 bytes and names of 253 are taken", "[resolve]") {
  const std::string label(63, 'a');
  // 63 + 1 + 63 + 5 + 121 bytes
  const std::string domain = std::string(63, 'c') + "." + std::string(57, 'd');
  Snapshot snapshot;
  snapshot.cluster_domain = domain;
  snapshot.default_namespace = label;
  add(snapshot, label, label, {port(80)});
  const std::string full = label + "." + label + ".svc." + domain;
  REQUIRE(full.size() == 253);

  CHECK(found(look_up(snapshot, full)) == 80);
  CHECK(found(look_up(snapshot, full + ".")) == 80);
  CHECK(found(look_up(snapshot, label)) == 80);
  CHECK(look_up(snapshot, full + "e").error == Errc::bad_authority);
}

TEST_CASE("resolve: names that are no Service's are unknown", "[resolve]") {
  const auto name = GENERATE(as<std::string>{},
                             "card",
                             "cart.nowhere",
                             "shop",
                             "www.example.com",
                             "cart.shop.pod",
                             "cart.shop.svc.example.com",
                             "cart.shop.svc.cluster",
                             "cart.shop.svc.cluster.local.local",
                             "pod-0.cart.shop.svc.cluster.local",
                             "1.2");
  CAPTURE(name);
  const Snapshot snapshot = two_carts();

  const Resolution resolution = look_up(snapshot, name);

  CHECK(resolution.port == nullptr);
  CHECK(resolution.error == Errc::unknown_service);
  CHECK_FALSE(resolution.detail.empty());
}

TEST_CASE("resolve: a ClusterIP means its Service, and other addresses nothing", "[resolve]") {
  Snapshot snapshot = two_carts();
  snapshot.cluster_ips = boost::make_shared<const ClusterIps>(
      ClusterIps{{boost::asio::ip::make_address("10.96.0.7"), "cart.shop"},
                 {boost::asio::ip::make_address("fd00::7"), "cart.shop"}});

  CHECK(found(look_up(snapshot, "10.96.0.7")) == 9090);
  CHECK(found(look_up(snapshot, "10.96.0.7:9090")) == 9090);
  CHECK(found(look_up(snapshot, "[fd00::7]")) == 9090);
  CHECK(found(look_up(snapshot, "[FD00:0::7]:9090")) == 9090);
  CHECK(look_up(snapshot, "10.96.0.7:80").error == Errc::unknown_port);
  CHECK(look_up(snapshot, "10.96.0.7:x").error == Errc::bad_authority);
  CHECK(look_up(snapshot, "[fd00::7").error == Errc::bad_authority);
  for (const char* const other :
       {"10.0.0.1", "10.0.0.1:80", "[::1]", "[2001:db8::1]:80", "[::ffff:10.96.0.7]"}) {
    CAPTURE(other);
    const Resolution resolution = look_up(snapshot, other);
    CHECK(resolution.error == Errc::unknown_service);
    CHECK(says(resolution, "is no Service's ClusterIP, and in no Service's EndpointSlices"));
  }
}

TEST_CASE("resolve: a pod's address means the pod, at ports of its own", "[resolve]") {
  const Snapshot snapshot =
      with_pods({{.service = "cart", .port = port(80), .pod = "10.0.0.9", .number = 8080},
                 {.service = "till", .port = port(81), .pod = "fd00::9", .number = 8081}});

  for (const char* const name : {"10.0.0.9", "10.0.0.9:8080", "[::ffff:10.0.0.9]:8080"}) {
    CAPTURE(name);
    const Resolution resolution = look_up(snapshot, name);
    REQUIRE(resolution.service != nullptr);
    CHECK(resolution.service->name == "cart");
    CHECK(found(resolution) == 80);
    CHECK(resolution.endpoint == at("10.0.0.9", 8080));
  }
  const Resolution v6 = look_up(snapshot, "[fd00::9]");
  CHECK(found(v6) == 81);
  CHECK(v6.endpoint == at("fd00::9", 8081));
  const Resolution service_port = look_up(snapshot, "10.0.0.9:80");
  CHECK(service_port.error == Errc::unknown_port);
  CHECK(says(service_port, "10.0.0.9 has no port 80: it has 8080 (cart.shop)"));
  const Resolution other_pod = look_up(snapshot, "10.0.1.9:8080");
  CHECK(other_pod.error == Errc::unknown_service);
  CHECK(says(other_pod, "10.0.1.9 is no Service's ClusterIP"));
}

TEST_CASE("resolve: without a port, a pod's is chosen as a Service's", "[resolve]") {
  const Snapshot snapshot = with_pods({
      {.service = "cart", .port = port(80, "http"), .pod = "10.0.0.1", .number = 8080},
      {.service = "cart", .port = port(81, "grpc"), .pod = "10.0.0.1", .number = 50051},
      {.service = "cart", .port = port(82, "metrics"), .pod = "10.0.0.1", .number = 9090},
      {.service = "a", .port = port(83, "a"), .pod = "10.0.0.2", .number = 80},
      {.service = "a", .port = port(84, "b"), .pod = "10.0.0.2", .number = 81},
      {.service = "a", .port = port(85, "a"), .pod = "10.0.0.3", .number = 9090},
      {.service = "b", .port = port(86, "b"), .pod = "10.0.0.3", .number = 9091},
  });
  const auto chosen = [&snapshot](const char* pod, CallerProtocol caller) {
    return look_up(snapshot, pod, caller).endpoint.value_or(at("0.0.0.0", 0)).port();
  };

  CHECK(chosen("10.0.0.1", CallerProtocol::grpc) == 50051);
  CHECK(chosen("10.0.0.1", CallerProtocol::h2) == 50051);
  CHECK(chosen("10.0.0.1", CallerProtocol::http1) == 8080);
  CHECK(chosen("10.0.0.2", CallerProtocol::h2) == 80);
  const Resolution none = look_up(snapshot, "10.0.0.3");
  CHECK(none.error == Errc::unknown_port);
  CHECK(says(none, "10.0.0.3 needs a port (name:port)"));
  CHECK(says(none, "it has 9090 (a.shop), 9091 (b.shop)"));
}

TEST_CASE("resolve: a pod that several Services have counts under the first of them", "[resolve]") {
  const Snapshot snapshot =
      with_pods({{.service = "cart", .port = port(80), .pod = "10.0.0.9", .number = 8080},
                 {.service = "till", .port = port(80), .pod = "10.0.0.9", .number = 8080}});

  const Resolution resolution = look_up(snapshot, "10.0.0.9");

  REQUIRE(resolution.service != nullptr);  // the one port that it has, not two that fit
  CHECK(resolution.service->name == "cart");
}

TEST_CASE("resolve: a pod's port that asks for TLS is refused with a hint", "[resolve]") {
  ServicePort tls = port(443, "https");
  tls.protocol = UpstreamProtocol::tls;
  const Snapshot snapshot =
      with_pods({{.service = "cart", .port = tls, .pod = "10.0.0.9", .number = 8443}});

  const Resolution resolution = look_up(snapshot, "10.0.0.9");

  CHECK(resolution.port == nullptr);
  CHECK(says(resolution, "port 443 of cart.shop asks for TLS"));
}

TEST_CASE("resolve: a pod of a headless Service has a name of its own", "[resolve]") {
  Snapshot snapshot;
  ServicePort only = port(80);
  for (const int i : {0, 1}) {
    Endpoint endpoint;
    endpoint.address.port(static_cast<std::uint16_t>(8000 + i));
    endpoint.hostname = "db-" + std::to_string(i);
    only.endpoints.push_back(std::move(endpoint));
  }
  const auto add_db = [&](const std::string& name, bool is_headless) {
    snapshot.services.put(boost::make_shared<const Service>(
        Service{.namespace_ = "shop", .name = name, .headless = is_headless, .ports = {only}}));
  };
  add_db("db", true);
  add_db("web", false);

  for (const char* const name :
       {"db-1.db.shop", "DB-1.db.shop.", "db-1.db.shop.svc", "db-1.db.shop.svc.cluster.local:80"}) {
    CAPTURE(name);
    const Resolution resolution = look_up(snapshot, name);
    REQUIRE(resolution.endpoint);
    CHECK(resolution.endpoint->port() == 8001);
  }
  CHECK_FALSE(look_up(snapshot, "db.shop").endpoint);
  CHECK(found(look_up(snapshot, "db.shop.svc")) == 80);
  CHECK(says(look_up(snapshot, "db-2.db.shop"), R"(db.shop has no ready pod "db-2")"));
  CHECK(says(look_up(snapshot, "db-0.web.shop"), "web.shop is not headless"));
}

namespace {

/// `cart.shop`, `shop.example` of the cluster, and names outside of it.
Snapshot with_external_names() {
  Snapshot snapshot = two_carts();
  add(snapshot, "example", "shop", {port(1)});
  add(snapshot, "shop", "example", {port(2)});
  const auto add_external = [&snapshot](
                                std::string name, std::string ns, std::vector<ServicePort> ports) {
    snapshot.services.put(
        boost::make_shared<const Service>(Service{.namespace_ = std::move(ns),
                                                  .name = std::move(name),
                                                  .ports = std::move(ports),
                                                  .external_name = "api.example.com"}));
  };
  add_external("api.example.com", "", {port(80), port(8080)});
  add_external("shop.example", "", {port(3)});
  add_external("a.b.c.d.example.com", "", {port(4)});
  add_external("pay", "shop", {port(8080)});
  add_external("forbidden", "shop", {});
  return snapshot;
}

}  // namespace

TEST_CASE("resolve: an allowed name outside of the cluster is found as a Service is",
          "[resolve][external]") {
  const Snapshot snapshot = with_external_names();

  for (const char* const name :
       {"api.example.com", "API.example.com.", "api.example.com:80", "api.example.com.:"}) {
    CAPTURE(name);
    const Resolution resolution = look_up(snapshot, name);
    CHECK(found(resolution) == 80);
    CHECK_FALSE(resolution.endpoint);
  }
  CHECK(found(look_up(snapshot, "api.example.com:8080")) == 8080);
  CHECK(found(look_up(snapshot, "a.b.c.d.example.com")) == 4);
  CHECK(found(look_up(snapshot, "pay.shop")) == 8080);
  CHECK(found(look_up(snapshot, "pay.shop.svc.cluster.local")) == 8080);
  const Resolution other_port = look_up(snapshot, "api.example.com:22");
  CHECK(other_port.error == Errc::unknown_port);
  CHECK(says(other_port, "api.example.com has no port 22: it has 80, 8080"));
}

TEST_CASE("resolve: a Service goes before a name outside of the cluster", "[resolve][external]") {
  CHECK(found(look_up(with_external_names(), "shop.example")) == 2);
}

TEST_CASE("resolve: names outside of the cluster that are not allowed are unknown, with a hint",
          "[resolve][external]") {
  const Snapshot snapshot = with_external_names();

  const Resolution other = look_up(snapshot, "www.api.example.com");
  CHECK(other.error == Errc::unknown_service);
  CHECK(says(other, "not among the externalNames of the configuration"));
  CHECK(
      says(look_up(snapshot, "www.example.com"),
           R"(no Service "example" in namespace "com", nor is the name among the externalNames)"));
  const Resolution forbidden = look_up(snapshot, "forbidden.shop");
  CHECK(forbidden.error == Errc::unknown_service);
  CHECK(says(forbidden,
             "forbidden.shop is of type ExternalName, and the externalNames of the configuration "
             R"(do not have "api.example.com")"));
  CHECK(says(look_up(snapshot, "pod.pay.shop"), "pay.shop is not headless"));
}

TEST_CASE("resolve: an unknown short name tells where it was looked up", "[resolve]") {
  Snapshot snapshot = two_carts();
  snapshot.default_namespace = "shop";

  CHECK(found(look_up(snapshot, "cart")) == 9090);
  CHECK(says(look_up(snapshot, "card"),
             R"(no Service "card" in namespace "shop", where short names are looked up)"));
  CHECK(says(look_up(snapshot, "card.shop"), R"(no Service "card" in namespace "shop")"));
}

TEST_CASE("resolve: the cluster domain is the configured one", "[resolve]") {
  Snapshot snapshot = two_carts();
  snapshot.cluster_domain = "example.org";

  CHECK(found(look_up(snapshot, "cart.shop.svc.example.org")) == 9090);
  const Resolution other = look_up(snapshot, "cart.shop.svc.cluster.local");
  CHECK(other.error == Errc::unknown_service);
  CHECK(says(other, "name.namespace[.svc[.example.org]]"));
}

TEST_CASE("resolve: a port that is not the Service's is refused with the list", "[resolve]") {
  const Snapshot snapshot = with_ports({port(8080, "http"), port(9090)});

  const Resolution resolution = look_up(snapshot, "cart.shop:8081");

  CHECK(resolution.port == nullptr);
  CHECK(resolution.error == Errc::unknown_port);
  CHECK(says(resolution, "cart.shop has no port 8081: it has 8080 (http), 9090"));
}

TEST_CASE("resolve: without a port, the choice goes by number, protocol, then 80", "[resolve]") {
  struct Case {
    std::vector<ServicePort> ports;
    std::uint16_t grpc, h2, http1;  // the expected port of each caller; 0: unknown_port
  };
  const auto c = GENERATE(values<Case>({
      {{port(9090)}, 9090, 9090, 9090},
      {{port(9090, "metrics")}, 9090, 9090, 9090},
      {{port(50051, "grpc"), port(8080, "http")}, 50051, 50051, 8080},
      {{port(8080, "http"), port(50051, "grpc")}, 50051, 50051, 8080},
      {{port(80, "metrics"), port(50051, "grpc")}, 50051, 50051, 80},
      {{port(80, "metrics"), port(9090, "admin")}, 80, 80, 80},
      {{port(8080, "http"), port(9090, "metrics")}, 0, 8080, 8080},
      {{port(8080, "metrics"), port(9090, "admin")}, 0, 0, 0},
      // Two that fit equally well: 80 decides, and without it nobody guesses.
      {{port(8080, "http-a"), port(80, "http-b")}, 80, 80, 80},
      {{port(50051, "grpc-a"), port(50052, "grpc-b")}, 0, 0, 0},
      {{}, 0, 0, 0},
  }));
  CAPTURE(c.ports.size());
  const Snapshot snapshot = with_ports(c.ports);

  CHECK(found(look_up(snapshot, "cart.shop", CallerProtocol::grpc)) == c.grpc);
  CHECK(found(look_up(snapshot, "cart.shop", CallerProtocol::h2)) == c.h2);
  CHECK(found(look_up(snapshot, "cart.shop", CallerProtocol::http1)) == c.http1);
}

TEST_CASE("resolve: when no port fits, the error lists them", "[resolve]") {
  const Snapshot two = with_ports({port(8080, "a"), port(9090, "b")});
  const Snapshot none = with_ports({});

  const Resolution ambiguous = look_up(two, "cart.shop");
  const Resolution empty = look_up(none, "cart.shop");

  CHECK(ambiguous.error == Errc::unknown_port);
  CHECK(says(ambiguous, "needs a port"));
  CHECK(says(ambiguous, "it has 8080 (a), 9090 (b)"));
  CHECK(empty.error == Errc::unknown_port);
  CHECK(says(empty, "it has no TCP port"));
}

TEST_CASE("resolve: a port that asks for TLS is refused with a hint", "[resolve]") {
  ServicePort tls = port(443, "https");
  tls.protocol = UpstreamProtocol::tls;
  const Snapshot snapshot = with_ports({tls, port(80, "http")});

  const Resolution resolution = look_up(snapshot, "cart.shop:443");

  CHECK(resolution.port == nullptr);
  CHECK(resolution.error == Errc::unknown_port);
  CHECK(says(resolution, "upstreamProtocol"));
  CHECK(found(look_up(snapshot, "cart.shop")) == 80);
}

TEST_CASE("resolve: a success allocates nothing", "[resolve]") {
  const Snapshot snapshot = two_carts();
  const Snapshot pods =
      with_pods({{.service = "cart", .port = port(80), .pod = "fd00::9", .number = 8080}});
  const Snapshot outside = with_external_names();

  const std::size_t before = test::allocations();
  const Resolution full = look_up(snapshot, "Cart.Shop.svc.cluster.local.:9090");
  const Resolution short_name = look_up(snapshot, "cart");
  const Resolution pod = look_up(pods, "[fd00::9]:8080");
  const Resolution external = look_up(outside, "a.b.c.d.Example.com:4");
  const std::size_t after = test::allocations();

  CHECK(found(full) == 9090);
  CHECK(found(short_name) == 8080);
  CHECK(found(pod) == 80);
  CHECK(found(external) == 4);
  CHECK(after == before);
}
