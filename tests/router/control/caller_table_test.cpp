// SPDX-License-Identifier: Apache-2.0
#include "router/control/caller_table.hpp"

#include "router/control/builder.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <catch2/catch.hpp>

using namespace router;
using namespace router::control;
using boost::asio::ip::make_address;

namespace {

k8s_client::Pod pod(const std::string& ns, const std::string& name, std::vector<std::string> ips) {
  k8s_client::Pod result;
  result.meta.key = {.ns = ns, .name = name};
  result.node_name = "node-1";
  result.service_account = "default";
  result.ips = std::move(ips);
  return result;
}

k8s_client::Pod terminating(k8s_client::Pod pod) {
  pod.is_terminating = true;
  return pod;
}

void put(CallerTable& table, k8s_client::Pod pod) {
  const auto key = pod.meta.key;
  table.set_pod(key, std::make_shared<const k8s_client::Pod>(std::move(pod)));
}

/// The namespace that the address stands for, "" if none.
std::string namespace_at(CallerTable& table, const std::string& address) {
  const auto callers = table.build();
  const Caller caller = callers->find(make_address(address));
  return caller.pod == nullptr ? "" : caller.pod->namespace_;
}

}  // namespace

TEST_CASE("CallerTable: an address stands for its pod, in either family", "[callers]") {
  CallerTable table{"node-1"};
  k8s_client::Pod cart = pod("shop", "cart-0", {"10.0.0.7", "fd00::7"});
  cart.workload_kind = "Deployment";
  cart.workload_name = "cart";
  put(table, std::move(cart));
  put(table, pod("ml", "predict-0", {"10.0.0.8"}));

  const auto callers = table.build();
  const Caller caller = callers->find(make_address("10.0.0.7"));

  REQUIRE(caller.pod != nullptr);
  CHECK(caller.pod->namespace_ == "shop");
  CHECK(caller.pod->name == "cart-0");
  CHECK(caller.pod->service_account == "default");
  CHECK(caller.pod->workload == "Deployment/cart");
  CHECK(caller.is_allowed);
  CHECK(namespace_at(table, "fd00::7") == "shop");
  CHECK(namespace_at(table, "10.0.0.8") == "ml");
}

TEST_CASE("CallerTable: strangers and pods of other nodes are not let in", "[callers]") {
  CallerTable table{"node-1"};
  k8s_client::Pod elsewhere = pod("shop", "cart-1", {"10.0.1.7"});
  elsewhere.node_name = "node-2";
  put(table, std::move(elsewhere));

  const auto callers = table.build();

  CHECK_FALSE(callers->find(make_address("10.0.1.7")).is_allowed);
  CHECK_FALSE(callers->find(make_address("192.0.2.1")).is_allowed);
  CHECK(callers->find(make_address("127.0.0.1")).is_allowed);
  CHECK(callers->find(make_address("::1")).is_allowed);
}

TEST_CASE("CallerTable: pods in the host's network may call, but have no namespace", "[callers]") {
  CallerTable table{"node-1"};
  k8s_client::Pod agent = pod("monitoring", "agent-0", {"192.168.0.1"});
  agent.host_network = true;
  put(table, std::move(agent));

  const auto callers = table.build();
  const Caller caller = callers->find(make_address("192.168.0.1"));

  CHECK(caller.is_allowed);
  CHECK(caller.pod == nullptr);
  CHECK_FALSE(caller.may_become_known);
}

TEST_CASE("CallerTable: the address of a pod that is over belongs to nobody", "[callers]") {
  CallerTable table{"node-1"};
  k8s_client::Pod done = pod("shop", "job-0", {"10.0.0.7"});
  done.is_over = true;
  put(table, std::move(done));
  CHECK(namespace_at(table, "10.0.0.7").empty());

  put(table, pod("ml", "predict-0", {"10.0.0.7"}));
  CHECK(namespace_at(table, "10.0.0.7") == "ml");

  table.set_pod({.ns = "ml", .name = "predict-0"}, nullptr);
  CHECK(namespace_at(table, "10.0.0.7").empty());
}

TEST_CASE("CallerTable: an address that is given on never means its former pod", "[callers]") {
  CallerTable table{"node-1"};
  put(table, pod("shop", "cart-0", {"10.0.0.7"}));
  CHECK(namespace_at(table, "10.0.0.7") == "shop");

  // It is asked to go: as long as nobody else can have its address, it is still itself.
  put(table, terminating(pod("shop", "cart-0", {"10.0.0.7"})));
  CHECK(namespace_at(table, "10.0.0.7") == "shop");

  // The next pod is here, and its address not known yet.
  put(table, pod("ml", "predict-0", {}));
  CHECK(namespace_at(table, "10.0.0.7").empty());
  const Caller unclear = table.build()->find(make_address("10.0.0.7"));
  CHECK(unclear.is_allowed);  // whichever of both it is, it is a pod of this node
  CHECK(unclear.may_become_known);

  // Its status has come, before the news that the former one is gone.
  put(table, pod("ml", "predict-0", {"10.0.0.7"}));
  CHECK(namespace_at(table, "10.0.0.7") == "ml");

  table.set_pod({.ns = "shop", .name = "cart-0"}, nullptr);
  CHECK(namespace_at(table, "10.0.0.7") == "ml");
}

TEST_CASE("CallerTable: an address that two pods claim means none of them", "[callers]") {
  CallerTable table{"node-1"};
  put(table, pod("shop", "cart-0", {"10.0.0.7"}));
  put(table, pod("ml", "predict-0", {"10.0.0.7"}));

  CHECK(namespace_at(table, "10.0.0.7").empty());
}

TEST_CASE("CallerTable: an unknown address may be that of a pod that has just begun", "[callers]") {
  CallerTable table{"node-1"};
  put(table, pod("shop", "cart-0", {}));
  CHECK(table.build()->find(make_address("10.0.0.7")).may_become_known);

  put(table, pod("shop", "cart-0", {"10.0.0.7"}));
  CHECK_FALSE(table.build()->find(make_address("10.0.0.8")).may_become_known);
}

TEST_CASE("CallerTable: while the list of pods is awaited, any pod may turn out to be another",
          "[callers]") {
  CallerTable table{"node-1"};
  put(table, pod("shop", "cart-0", {"10.0.0.7"}));
  const auto before = table.build();

  table.await_list(true);
  const auto awaiting = table.build();
  const Caller known = awaiting->find(make_address("10.0.0.7"));
  CHECK(known.is_allowed);
  CHECK(known.may_become_known);
  CHECK(namespace_at(table, "10.0.0.7") == "shop");  // the last word if no list comes
  CHECK(awaiting->find(make_address("10.0.0.8")).may_become_known);
  CHECK_FALSE(awaiting->find(make_address("127.0.0.1")).may_become_known);

  table.await_list(false);
  CHECK_FALSE(table.build()->find(make_address("10.0.0.7")).may_become_known);
  CHECK(*table.build() == *before);
  CHECK_FALSE(*awaiting == *before);  // otherwise no snapshot would be made of it
}

TEST_CASE("CallerTable: ranges of addresses may be let in, and kinds shut out", "[callers]") {
  CallerTable table{"node-1"};
  put(table, pod("shop", "cart-0", {"10.0.0.7"}));
  table.set_allowed({.node_pods = false,
                     .loopback = false,
                     .ranges = {{.base = make_address("192.0.2.128"), .prefix_bits = 25},
                                {.base = make_address("2001:db8::"), .prefix_bits = 33},
                                {.base = make_address("198.51.100.1"), .prefix_bits = 32}}});
  const auto callers = table.build();
  const auto is_allowed = [&callers](const char* address) {
    return callers->find(make_address(address)).is_allowed;
  };

  CHECK_FALSE(is_allowed("10.0.0.7"));
  CHECK_FALSE(is_allowed("127.0.0.1"));
  CHECK(is_allowed("192.0.2.128"));
  CHECK(is_allowed("192.0.2.255"));
  CHECK_FALSE(is_allowed("192.0.2.127"));
  CHECK(is_allowed("2001:db8:7fff::1"));
  CHECK_FALSE(is_allowed("2001:db8:8000::1"));
  CHECK(is_allowed("198.51.100.1"));
  CHECK_FALSE(is_allowed("198.51.100.2"));
}

TEST_CASE("CallerTable: what changes nothing for callers gives the same table", "[callers]") {
  CallerTable table{"node-1"};
  put(table, pod("shop", "cart-0", {"10.0.0.7"}));
  const auto before = table.build();

  k8s_client::Pod again = pod("shop", "cart-0", {"10.0.0.7"});
  again.meta.resource_version = "later";
  put(table, std::move(again));

  CHECK(table.build() == before);
}

TEST_CASE("Builder: a pod of this node is in the next snapshot", "[builder][callers]") {
  Builder builder{"node-1"};
  REQUIRE(builder.build());
  const k8s_client::Pod cart = pod("shop", "cart-0", {"10.0.0.7"});

  builder.set_pod(cart.meta.key, std::make_shared<const k8s_client::Pod>(cart));
  const SnapshotPtr snapshot = builder.build();

  REQUIRE(snapshot);
  CHECK(snapshot->callers->find(make_address("10.0.0.7")).pod != nullptr);
  CHECK_FALSE(builder.build());
}
