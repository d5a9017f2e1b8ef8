// SPDX-License-Identifier: Apache-2.0
// Which Service and which port a request means: docs/configuration.md, `identifiers`.
#include "tests/support/cluster_folder.hpp"
#include "tests/support/h2_client.hpp"
#include "tests/support/router_process.hpp"
#include "tests/support/upstream.hpp"

#include <string>

#include <catch2/catch.hpp>

TEST_CASE("nodeway: every form of a Service's name leads to it", "[integration][names]") {
  test::Upstream upstream{test::answer(200, "cart")};
  test::Upstream other{test::answer(200, "other")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  cluster.add_service("cart.other", 80, {other.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const auto* const authority = GENERATE("cart.shop",
                                         "cart.shop.svc",
                                         "cart.shop.svc.cluster.local",
                                         "cart.shop.",
                                         "cart.shop.svc.cluster.local.",
                                         "Cart.SHOP",
                                         "cart.shop.svc.Cluster.Local",
                                         "cart.shop:80",
                                         "cart.shop.svc.cluster.local:80",
                                         "cart.shop.:80");
  CAPTURE(authority);

  CHECK(client.get(authority, "/").body == "cart");
}

TEST_CASE("nodeway: a short name means the default namespace", "[integration][names]") {
  test::Upstream upstream{test::answer(200, "default's cart")};
  test::Upstream other{test::answer(200, "shop's cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.default", 80, {upstream.endpoint()});
  cluster.add_service("cart.shop", 80, {other.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("cart", "/").body == "default's cart");
  CHECK(client.get("cart:80", "/").body == "default's cart");
  CHECK(client.get("CART.", "/").body == "default's cart");
}

namespace {

/// A Pod for the folder; `status` in YAML's flow style.
std::string pod_yaml(const std::string& ns, const std::string& name, const std::string& status) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {namespace: " + ns + ", name: " + name +
         "}\nspec: {nodeName: node-1}\nstatus: " + status + "\n";
}

}  // namespace

TEST_CASE("nodeway: a short name means the namespace of the caller's pod",
          "[integration][names][callers]") {
  test::Upstream shop{test::answer(200, "shop's cart")};
  test::Upstream ml{test::answer(200, "ml's cart")};
  test::Upstream none{test::answer(200, "default's cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {shop.endpoint()});
  cluster.add_service("cart.ml", 80, {ml.endpoint()});
  cluster.add_service("cart.default", 80, {none.endpoint()});
  cluster.write_raw("a.yaml", pod_yaml("shop", "web-0", "{podIPs: [{ip: 127.0.0.5}]}"));
  cluster.write_raw("b.yaml", pod_yaml("ml", "web-0", "{podIPs: [{ip: 127.0.0.6}]}"));
  test::RouterProcess router{{.source = cluster.path(), .args = {"--node", "node-1"}}};
  const auto body_for = [&router](const char* address, const char* authority) {
    return test::H2Client{router.listen_port(), {.from = address}}.get(authority, "/").body;
  };

  CHECK(body_for("127.0.0.5", "cart") == "shop's cart");
  CHECK(body_for("127.0.0.6", "cart") == "ml's cart");
  CHECK(body_for("127.0.0.7", "cart") == "default's cart");
  CHECK(body_for("127.0.0.5", "cart.ml") == "ml's cart");
}

TEST_CASE("nodeway: an address that is given on never means its former pod's namespace",
          "[integration][names][callers]") {
  test::Upstream shop{test::answer(200, "shop's cart")};
  test::Upstream ml{test::answer(200, "ml's cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {shop.endpoint()});
  cluster.add_service("cart.ml", 80, {ml.endpoint()});
  std::string former = pod_yaml("shop", "web-0", "{podIPs: [{ip: 127.0.0.5}]}");
  former.insert(former.find("name:"), "deletionTimestamp: '2026-01-01T00:00:00Z', ");
  cluster.write_raw("a.yaml", former);
  cluster.write_raw("b.yaml", pod_yaml("ml", "web-0", "{phase: Pending}"));
  test::RouterProcess router{{.source = cluster.path(), .args = {"--node", "node-1"}}};
  test::H2Client client{router.listen_port(), {.from = "127.0.0.5"}};

  const test::StreamId stream = client.open_get("cart", "/");
  test::eventually("the request to wait for its pod",
                   [&] { return router.metric("nodeway_caller_waits_total") == 1; });
  cluster.write_raw("b.yaml", pod_yaml("ml", "web-0", "{podIPs: [{ip: 127.0.0.5}]}"));

  CHECK(client.wait(stream).body == "ml's cart");
  CHECK(shop.requests_seen() == 0);
}

TEST_CASE("nodeway: who is not let in is denied, and counted", "[integration][names][callers]") {
  test::Upstream upstream{test::answer(200, "cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  cluster.set_config("version: 1\ncallers: {allow: [127.0.0.8/31]}");
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client stranger{router.listen_port()};
  test::H2Client allowed{router.listen_port(), {.from = "127.0.0.9"}};

  const test::Reply denied = stranger.get("cart.shop", "/");

  CHECK(denied.status == 403);
  CHECK(test::find(denied.headers, "nodeway-error") == "denied");
  CHECK(denied.body.find("127.0.0.1 is no pod of this node") != std::string::npos);
  CHECK(allowed.get("cart.shop", "/").status == 200);
  CHECK(router.metric("nodeway_responses_total", {{"reason", "denied"}}) == 1);

  cluster.set_config("version: 1");
  test::eventually("loopback to be let in",
                   [&] { return stranger.get("cart.shop", "/").status == 200; });
}

TEST_CASE("nodeway: identifiers are tried in the order of the configuration",
          "[integration][names]") {
  test::Upstream cart{test::answer(200, "cart")};
  test::Upstream till{test::answer(200, "till")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {cart.endpoint()});
  cluster.add_service("till.shop", 80, {till.endpoint()});
  cluster.set_config(R"(
version: 1
identifiers:
  - header: {name: X-To}
  - grpc-path: {services: {pay.v1.Till: till.shop}}
  - path: {segments: 2, consume: true}
  - authority
)");
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("node", "/a/b", {{"x-to", "till.shop"}}).body == "till");
  CHECK(client.grpc("node", "/pay.v1.Till/Open", "").body == "till");
  CHECK(client.get("node", "/cart/shop/items?x=1").body == "cart");
  CHECK(client.get("till.shop", "/").body == "till");
  CHECK(cart.wait_for_request(1).header(":path") == "/items?x=1");
  CHECK_FALSE(till.wait_for_request(1).header("x-to"));
  CHECK(till.wait_for_request(2).header(":path") == "/pay.v1.Till/Open");
}

TEST_CASE("nodeway: a ClusterIP means its Service", "[integration][names]") {
  test::Upstream upstream{test::answer(200, "cart")};
  test::ClusterFolder cluster;
  cluster.write_raw(
      "cart.yaml",
      "apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\n"
      "spec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80}]}\n"
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {name: cart-a, namespace: shop, labels: {kubernetes.io/service-name: "
      "cart}}\naddressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]\n"
      "ports: [{port: " +
          std::to_string(upstream.port()) + "}]\n");
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("10.96.0.7", "/").body == "cart");
  CHECK(client.get("10.96.0.7:80", "/").body == "cart");
  CHECK(client.get("10.96.0.8", "/").status == 404);
}

TEST_CASE("nodeway: a pod's address means the pod, whatever its conditions, and no other address",
          "[integration][names]") {
  test::Upstream ready{test::answer(200, "ready")};
  test::Upstream starting{test::answer(200, "starting")};
  test::Upstream stranger{test::answer(200, "stranger")};
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop", 80, {ready.endpoint(), {.port = starting.port(), .ready = false}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  const auto at = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };

  for (int i = 0; i < 4; ++i) {
    CHECK(client.get(at(starting.port()), "/").body == "starting");
    CHECK(client.get(at(ready.port()), "/").body == "ready");
  }
  CHECK(client.get("cart.shop", "/").body == "ready");
  const test::Reply of_service = client.get("127.0.0.1:80", "/");
  CHECK(of_service.header("nodeway-error") == "unknown_port");
  CHECK_THAT(of_service.body, Catch::Contains(std::to_string(ready.port()) + " (cart.shop)"));
  CHECK(client.get("127.0.0.1", "/").header("nodeway-error") == "unknown_port");
  CHECK(client.get(at(stranger.port()), "/").header("nodeway-error") == "unknown_port");
  const test::Reply other = client.get("127.0.0.2:" + std::to_string(ready.port()), "/");
  CHECK(other.header("nodeway-error") == "unknown_service");
  CHECK_THAT(other.body, Catch::Contains("127.0.0.2 is no Service's ClusterIP"));
  CHECK(stranger.requests_seen() == 0);
  CHECK(router.metric("nodeway_requests_total", {{"service", "cart"}, {"port", "80"}}) == 9);
  const std::string admin = "http://127.0.0.1:" + std::to_string(router.admin_port());
  CHECK_THAT(test::run_nodeway({"endpoints", "-A", "--admin", admin}).out,
             Catch::Contains(at(starting.port()) + "  unselected") &&
                 Catch::Contains(at(ready.port()) + "  ready "));

  cluster.remove_service("cart.shop");
  test::eventually("the pods to be forgotten", [&] {
    return client.get(at(ready.port()), "/").header("nodeway-error") == "unknown_service";
  });
}

TEST_CASE("nodeway: a pod of a headless Service can be named", "[integration][names]") {
  test::Upstream first{test::answer(200, "db-0")};
  test::Upstream second{test::answer(200, "db-1")};
  const auto slice = [](const char* name, const test::Upstream& pod, const char* hostname) {
    return std::string{
               "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: "} +
           name +
           ", namespace: shop, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\n" +
           "endpoints: [{addresses: [127.0.0.1], hostname: " + hostname +
           "}]\nports: [{port: " + std::to_string(pod.port()) + "}]\n";
  };
  test::ClusterFolder cluster;
  cluster.write_raw("db.yaml",
                    "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
                    "spec: {clusterIP: None, ports: [{port: 80}]}\n" +
                        slice("db-a", first, "db-0") + slice("db-b", second, "db-1"));
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  for (int i = 0; i < 4; ++i) {
    CHECK(client.get("db-0.db.shop", "/").body == "db-0");
    CHECK(client.get("db-1.db.shop.svc.cluster.local", "/").body == "db-1");
  }
  CHECK(client.get("db-2.db.shop", "/").status == 404);
}

TEST_CASE("nodeway: names that are no Service's get an error, never DNS", "[integration][names]") {
  test::Upstream upstream{test::answer(200, "cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {upstream.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  for (const std::string authority : {"localhost",
                                      "cart.nowhere",
                                      "kart.shop",
                                      "cart.shop.svc.other.domain",
                                      "cart.shop.pod",
                                      "127.0.0.2"}) {
    CAPTURE(authority);
    const test::Reply reply = client.get(authority, "/");
    CHECK(reply.status == 404);
    CHECK(reply.header("nodeway-error") == "unknown_service");
  }
  CHECK(upstream.requests_seen() == 0);
}

TEST_CASE("nodeway: without a port the only one is meant, whatever its number",
          "[integration][names]") {
  test::Upstream upstream{test::answer(200, "cart")};
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop",
      8080,
      {upstream.endpoint()},
      {.port_name = "main", .more_ports = {{.number = 53, .name = "dns", .protocol = "UDP"}}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("cart.shop", "/").body == "cart");  // UDP ports do not count
  CHECK(client.get("cart.shop:8080", "/").body == "cart");
}

TEST_CASE("nodeway: without a port the one that fits the protocol is meant",
          "[integration][names]") {
  test::Upstream rpc{test::always(test::grpc_answer({"from grpc's port"}))};
  test::Upstream web{test::answer(200, "from another port")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop",
                      5000,
                      {{.port = rpc.port()}},
                      {.port_name = "grpc",
                       .more_ports = {{.number = 6000, .name = "admin", .target = 1},
                                      {.number = 7000, .name = "x", .target = web.port()}}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const test::Reply rpc_reply = client.grpc("cart.shop", "/s/M", "");

  CHECK(rpc_reply.grpc_status() == 0);
  CHECK(rpc.requests_seen() == 1);
  CHECK(client.get("cart.shop:7000", "/").body == "from another port");
}

TEST_CASE("nodeway: without a port and a fitting one, 80 is meant", "[integration][names]") {
  test::Upstream upstream{test::answer(200, "80")};
  test::ClusterFolder cluster;
  cluster.add_service(
      "cart.shop",
      81,
      {{.port = upstream.port()}},
      {.port_name = "first",
       .more_ports = {{.number = 80, .name = "second", .target = upstream.port()}}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  CHECK(client.get("cart.shop", "/").status == 200);
  CHECK(router.metric("nodeway_requests_total", {{"service", "cart"}, {"port", "80"}}) == 1);
}

TEST_CASE("nodeway: each port of a Service leads to what serves that port, also after a change",
          "[integration][names]") {
  test::Upstream one{test::answer(200, "one")};
  test::Upstream two{test::answer(200, "two")};
  test::Upstream three{test::answer(200, "three")};
  test::ClusterFolder cluster;
  const auto write = [&](test::Upstream& first, test::Upstream& second, test::Upstream& third) {
    cluster.add_service(
        "cart.shop",
        8001,
        {first.endpoint()},
        {.port_name = "first",
         .more_ports = {{.number = 8002, .name = "second", .target = second.port()},
                        {.number = 8003, .name = "third", .target = third.port()}}});
  };
  write(one, two, three);
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};
  const auto replies = [&client] {
    return client.get("cart.shop:8001", "/").body + " " + client.get("cart.shop:8002", "/").body +
           " " + client.get("cart.shop:8003", "/").body;
  };
  for (int i = 0; i < 10; ++i) {
    CHECK(replies() == "one two three");
  }

  write(two, three, one);

  test::eventually("the change", [&] { return replies() == "two three one"; });
  for (int i = 0; i < 10; ++i) {
    CHECK(replies() == "two three one");
  }
}

TEST_CASE("nodeway: an error about the port lists the ports", "[integration][names]") {
  test::Upstream upstream{test::answer(200, "cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop",
                      8001,
                      {upstream.endpoint()},
                      {.port_name = "first", .more_ports = {{.number = 8002, .name = "second"}}});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  // None given and none fits; one that does not exist; the target port, which is not the Service's.
  const std::string target_port = std::to_string(upstream.port());
  for (const std::string& authority :
       {std::string{"cart.shop"}, std::string{"cart.shop:9"}, "cart.shop:" + target_port}) {
    CAPTURE(authority);
    const test::Reply reply = client.get(authority, "/");
    CHECK(reply.status == 404);
    CHECK(reply.header("nodeway-error") == "unknown_port");
    CHECK_THAT(reply.body, Catch::Contains("8001") && Catch::Contains("8002"));
  }
  CHECK(upstream.requests_seen() == 0);
}

TEST_CASE("nodeway: l5d-dst-override goes before the authority and is stripped",
          "[integration][names]") {
  test::Upstream cart{test::answer(200, "cart")};
  test::Upstream other{test::answer(200, "other")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {cart.endpoint()});
  cluster.add_service("other.shop", 8080, {other.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const auto* const other_name = GENERATE("other.shop", "other.shop.svc.cluster.local:8080");
  const test::Reply reply = client.get("cart.shop", "/", {{"l5d-dst-override", other_name}});

  CHECK(reply.body == "other");
  const test::SeenRequest seen = other.wait_for_request(1);
  CHECK_FALSE(seen.header("l5d-dst-override"));
  CHECK(seen.header(":authority") == "cart.shop");
}

TEST_CASE("nodeway: a wrong l5d-dst-override is an error, not ignored", "[integration][names]") {
  test::Upstream cart{test::answer(200, "cart")};
  test::ClusterFolder cluster;
  cluster.add_service("cart.shop", 80, {cart.endpoint()});
  test::RouterProcess router{{.source = cluster.path()}};
  test::H2Client client{router.listen_port()};

  const test::Reply reply = client.get("cart.shop", "/", {{"l5d-dst-override", "nothing.shop"}});

  CHECK(reply.header("nodeway-error") == "unknown_service");
  CHECK(cart.requests_seen() == 0);
}
