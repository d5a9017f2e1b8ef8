// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/resolve.hpp"

#include "tests/router/resolve/allocations.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <catch2/catch.hpp>

using namespace router;

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
  const std::string key = name + "." + ns;
  snapshot.services[key] = boost::make_shared<const Service>(Service{.namespace_ = std::move(ns),
                                                                     .name = std::move(name),
                                                                     .headless = false,
                                                                     .ports = std::move(ports)});
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
    CHECK(says(resolution, "is no Service's ClusterIP"));
  }
}

TEST_CASE("resolve: a pod of a headless Service has a name of its own", "[resolve]") {
  Snapshot snapshot;
  ServicePort only = port(80);
  for (const std::string hostname : {"db-0", "db-1"}) {
    Endpoint endpoint;
    endpoint.hostname = hostname;
    only.endpoints.push_back(std::move(endpoint));
  }
  const auto add_db = [&](const std::string& name, bool is_headless) {
    snapshot.services[name + ".shop"] = boost::make_shared<const Service>(
        Service{.namespace_ = "shop", .name = name, .headless = is_headless, .ports = {only}});
  };
  add_db("db", true);
  add_db("web", false);

  for (const char* const name :
       {"db-1.db.shop", "DB-1.db.shop.", "db-1.db.shop.svc", "db-1.db.shop.svc.cluster.local:80"}) {
    CAPTURE(name);
    const Resolution resolution = look_up(snapshot, name);
    REQUIRE(resolution.endpoint != nullptr);
    CHECK(resolution.endpoint->hostname == "db-1");
  }
  CHECK(look_up(snapshot, "db.shop").endpoint == nullptr);
  CHECK(found(look_up(snapshot, "db.shop.svc")) == 80);
  CHECK(says(look_up(snapshot, "db-2.db.shop"), R"(db.shop has no ready pod "db-2")"));
  CHECK(says(look_up(snapshot, "db-0.web.shop"), "web.shop is not headless"));
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

  const std::size_t before = test::allocations();
  const Resolution full = look_up(snapshot, "Cart.Shop.svc.cluster.local.:9090");
  const Resolution short_name = look_up(snapshot, "cart");
  const std::size_t after = test::allocations();

  CHECK(found(full) == 9090);
  CHECK(found(short_name) == 8080);
  CHECK(after == before);
}
